/** @file Which action units a drawn face shows for an emotion, and how strongly. */
import type { Rng } from "../../core/rng.ts";
import type { Emotion } from "../record.ts";

/** Action units of a drawn face: name -> activation in 0..1. Units that are absent are at rest. */
export type Activations = Readonly<Record<string, number>>;

/**
 * The units of an emotion's prototype. In 30 % one optional unit is left out or a plausible one added, so that the set
 * is not a function of the emotion. The first two core units lead: they are the strongest, in this order. Neutral moves nothing.
 *
 * @param strength - 0..1, how strongly the emotion is shown.
 */
export function drawExpression(emotion: Emotion, strength: number, random: Rng): Activations {
  const { core, optional, extra } = PROTOTYPES[emotion];
  const variation = random.uniform();
  const units = [...core, ...(variation < 0.15 ? [] : optional), ...(variation >= 0.85 ? extra : [])];
  return Object.fromEntries(units.map((unit, index) => [unit, activation({ strength, rank: index, random })] as const).sort());
}

/** The units in order of activation, strongest first. */
export function strongestUnits(activations: Activations): readonly string[] {
  return Object.entries(activations)
    .sort(([unitA, a], [unitB, b]) => b - a || unitA.localeCompare(unitB))
    .map(([unit]) => unit);
}

interface Prototype {
  readonly core: readonly string[];
  readonly optional: readonly string[];
  readonly extra: readonly string[];
}

/** Ekman and Friesen's prototypes, reduced to the units that the face can draw apart from each other. */
export const PROTOTYPES = {
  joy: { core: ["AU12", "AU06"], optional: ["AU25"], extra: ["AU02"] },
  sadness: { core: ["AU15", "AU01", "AU04"], optional: ["AU17"], extra: ["AU07"] },
  surprise: { core: ["AU26", "AU02", "AU01"], optional: ["AU05"], extra: ["AU12"] },
  fear: { core: ["AU20", "AU05", "AU01", "AU04"], optional: ["AU25"], extra: ["AU02"] },
  anger: { core: ["AU04", "AU23", "AU07"], optional: ["AU05"], extra: ["AU17"] },
  disgust: { core: ["AU09", "AU15"], optional: ["AU17"], extra: ["AU04"] },
  neutral: { core: [], optional: [], extra: [] },
} as const satisfies Record<Emotion, Prototype>;

function activation({ strength, rank, random }: { strength: number; rank: number; random: Rng }): number {
  const lead = [0.12, 0.06][rank] ?? 0;
  const value = 0.55 + 0.3 * strength + lead + 0.04 * (random.uniform() - 0.5);
  return Math.round(100 * Math.min(1, value)) / 100;
}

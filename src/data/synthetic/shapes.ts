/**
 * @file The shapes of dialogues: which turn reports something, which reacts to what. A shape fixes the emotion-cause pairs.
 * E states a topic without feeling, S states it with a feeling (its own cause), R feels something about a topic stated
 * earlier, A announces a topic that the next turn states, N is small talk. Digits name topics; R12 reacts to both.
 */
import { invariant } from "../../core/errors.ts";
import type { Rng } from "../../core/rng.ts";

export const TURN_KINDS = { E: "event", S: "self", R: "react", A: "announce", N: "small" } as const;
export type TurnKind = (typeof TURN_KINDS)[keyof typeof TURN_KINDS];

export interface Turn {
  readonly kind: TurnKind;
  /** Topics that the turn is about, as indices into the dialogue's topics. */
  readonly topics: readonly number[];
  /** 0 or 1. */
  readonly speaker: number;
  /** 0-based turns that cause this turn's emotion; empty for a turn without emotion. */
  readonly causes: readonly number[];
}

/** A random shape of `size` (2 to 6) turns. */
export function drawShape(size: number, random: Rng): readonly Turn[] {
  const shapes = SHAPES[size];
  invariant(shapes !== undefined, () => `no dialogue shape has ${size} turns`);
  return parseShape(random.pick(shapes));
}

/** Whether the turn shows an emotion: small talk and plain reports are neutral. */
export function isEmotional(kind: TurnKind): boolean {
  return kind === "self" || kind === "react" || kind === "announce";
}

/** Chosen so that of all pairs about 40 % are the turn itself, 30 % reach further back than one turn, 20 % one turn back, 10 % one turn ahead. */
const SHAPES: Readonly<Record<number, readonly string[]>> = {
  2: ["S1 R1", "A1 E1", "E1 R1", "S1 R1", "S1 S2", "A1 S1"],
  3: ["S1 S2 R1", "E1 S2 R1", "S1 R1 R1", "A1 E1 R1", "E1 R1 R1", "S1 N R1"],
  4: ["S1 S2 R1 R2", "E1 R1 S2 R1", "N A1 S1 R1", "S1 S2 N R12", "S1 A2 S2 R1", "S1 R1 S2 R2", "E1 R1 S2 R2"],
  5: ["S1 R1 S2 R1 R2", "A1 S1 R1 N R1", "S1 N S2 R1 R12", "S1 S2 R2 R1 R1", "S1 R1 R1 A2 E2", "N S1 R1 S2 R1", "S1 A2 S2 R2 R1"],
  6: ["S1 S2 R1 R2 A3 E3", "N A1 S1 S2 R2 R1", "S1 S2 R2 N R1 R12", "E1 R1 R1 S2 R2 S3", "S1 R1 S2 N R2 R1", "E1 S2 R1 A3 S3 R2"],
};

function parseShape(shape: string): readonly Turn[] {
  const parsed = shape.split(" ").map((token) => {
    const kind = Object.entries(TURN_KINDS).find(([letter]) => token.startsWith(letter))?.[1];
    invariant(kind !== undefined, () => `unknown turn ${token} in shape ${shape}`);
    return { kind, topics: Array.from(token.slice(1), (digit) => Number(digit) - 1) };
  });
  let speaker = 1;
  return parsed.map(({ kind, topics }, index) => {
    // Whoever announces something tells it.
    if (parsed[index - 1]?.kind !== "announce") speaker = 1 - speaker;
    const stated = topics.map((topic) => parsed.findIndex((turn) => (turn.kind === "self" || turn.kind === "event") && turn.topics[0] === topic));
    invariant(stated.every((turn) => turn >= 0), () => `a topic of turn ${index + 1} is never stated in shape ${shape}`);
    return { kind, topics, speaker, causes: isEmotional(kind) ? stated : [] };
  });
}

/** Number of different topics that the turns are about. */
export function topicCount(turns: readonly Turn[]): number {
  return new Set(turns.flatMap(({ topics }) => topics)).size;
}

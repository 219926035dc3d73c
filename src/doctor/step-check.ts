/** @file One training step of the tiny model, and how far two backends' steps are apart. */
import { dispose } from "@tensorflow/tfjs-core";
import { readFloats } from "../backend/host-memory.ts";
import { lossAndGradients } from "../train/micro-batch.ts";
import { TINY_CONFIG, tinyBatch, tinyTrained, tinyWeights } from "./tiny-model.ts";

export interface StepOutcome {
  /** Of every supervised token. */
  readonly losses: readonly number[];
  readonly gradients: ReadonlyMap<string, Float32Array>;
  /** Of a step after the first, which compiles. */
  readonly milliseconds: number;
}

/** Differences relative to the reference; null where a number is NaN or infinite. */
export interface StepDifference {
  readonly loss: number | null;
  readonly gradient: number | null;
  /** The parameter whose gradient differs most. */
  readonly worst: string;
}

/** What a backend may differ by: float32 sums in another order, nothing more. */
export const STEP_LIMITS = { loss: 1e-4, gradient: 1e-3 } as const;

/** A gradient that is zero in exact arithmetic (a key's bias) is noise: it is measured by this share of the largest gradient. */
const NOISE_SHARE = 1e-3;

/** On the current backend. */
export async function tinyStep(): Promise<StepOutcome> {
  const params = tinyWeights();
  const input = tinyBatch();
  const step = async (): Promise<Omit<StepOutcome, "milliseconds">> => {
    const { losses, gradients } = lossAndGradients(params, TINY_CONFIG, input, tinyTrained(params));
    const numbers = new Map<string, Float32Array>();
    const own = [...(await readFloats(losses))];
    for (const [name, gradient] of gradients) numbers.set(name, (await readFloats(gradient)).slice());
    dispose([losses, ...gradients.values()]);
    return { losses: own, gradients: numbers };
  };
  try {
    await step();
    const started = performance.now();
    return { ...(await step()), milliseconds: performance.now() - started };
  } finally {
    params.dispose();
  }
}

export function compareSteps(reference: Omit<StepOutcome, "milliseconds">, outcome: Omit<StepOutcome, "milliseconds">): StepDifference {
  const most = Math.max(...[...reference.gradients.values()].map(largest));
  const byName = [...reference.gradients].map(([name, expected]) => ({
    name,
    difference: differenceOf(expected, outcome.gradients.get(name) ?? [], Math.max(largest(expected), NOISE_SHARE * most)),
  }));
  const worst = byName.reduce((a, b) => (b.difference > a.difference ? b : a), { name: "", difference: 0 });
  return { loss: finite(differenceOf(reference.losses, outcome.losses, largest(reference.losses))), gradient: finite(worst.difference), worst: worst.name };
}

/** Whether a step is the reference's. */
export function isSameStep({ loss, gradient }: Pick<StepDifference, "loss" | "gradient">): boolean {
  return loss !== null && gradient !== null && loss <= STEP_LIMITS.loss && gradient <= STEP_LIMITS.gradient;
}

function differenceOf(expected: ArrayLike<number>, got: ArrayLike<number>, scale: number): number {
  let most = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((got[i] ?? NaN) - (expected[i] ?? 0));
    most = Number.isNaN(difference) ? Infinity : Math.max(most, difference);
  }
  return most / scale;
}

function largest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

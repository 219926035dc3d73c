/** @file Comparison: one array of a golden set against what the program computes, as a number and a verdict. */
import type { Tensor } from "@tensorflow/tfjs-core";

export interface Comparison {
  /** As the set calls it, e.g. `llm.logits`. */
  readonly array: string;
  /** Largest difference, in the unit of `measure`. */
  readonly worst: number;
  readonly tolerance: number;
  readonly measure: "of the maximum" | "relative" | "absolute" | "values differ";
  readonly isOk: boolean;
  /** What else is to be known, e.g. why there is no number. */
  readonly note?: string;
}

/** The fixtures' README: activations, logits and gradients. */
const TOLERANCE = 1e-4;

/** Largest difference over the largest expected value; with a mask, only where it is 1 (an entry per row of the last axis). */
export function ofMaximum(array: string, actual: Tensor, expected: Tensor, mask?: ArrayLike<number>): Comparison {
  if (actual.shape.join() !== expected.shape.join()) return failed(array, `shape [${actual.shape.join(", ")}], expected [${expected.shape.join(", ")}]`);
  const [got, want] = [actual.dataSync(), expected.dataSync()];
  const width = expected.shape.at(-1) ?? 1;
  let [difference, largest] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    if (mask !== undefined && mask[Math.floor(i / width)] !== 1) continue;
    difference = Math.max(difference, distance(got[i], want[i]));
    largest = Math.max(largest, Math.abs(want[i] ?? NaN));
  }
  if (!(largest > 0)) return failed(array, "nothing but zeros to compare with");
  return judged({ array, worst: difference / largest, tolerance: TOLERANCE, measure: "of the maximum" });
}

/** One number, relative to the expected one. */
export function relative(array: string, actual: number, expected: number): Comparison {
  return judged({ array, worst: distance(actual, expected) / Math.abs(expected), tolerance: TOLERANCE, measure: "relative" });
}

/** Largest difference, in the values' own unit. */
export function absolute(array: string, { actual, expected, tolerance }: { actual: ArrayLike<number>; expected: ArrayLike<number>; tolerance: number }): Comparison {
  if (actual.length !== expected.length) return failed(array, `${actual.length} values, expected ${expected.length}`);
  if (expected.length === 0) return failed(array, "nothing to compare with");
  let worst = 0;
  for (let i = 0; i < expected.length; i++) worst = Math.max(worst, distance(actual[i], expected[i]));
  return judged({ array, worst, tolerance, measure: "absolute" });
}

/** How many values differ; none may. */
export function exact(array: string, actual: ArrayLike<unknown>, expected: ArrayLike<unknown>): Comparison {
  if (actual.length !== expected.length) return failed(array, `${actual.length} values, expected ${expected.length}`);
  const at = Array.from({ length: expected.length }, (_, i) => i).filter((i) => !Object.is(actual[i], expected[i]));
  const [first] = at;
  const note = first === undefined ? {} : { note: `first at ${first}: got ${JSON.stringify(actual[first])}, expected ${JSON.stringify(expected[first])}` };
  return { ...judged({ array, worst: at.length, tolerance: 0, measure: "values differ" }), ...note };
}

/** Bytes of pictures: equal, or at most 1 off in under one of a hundred. */
export function bytes(array: string, actual: ArrayLike<number>, expected: ArrayLike<number>): Comparison {
  const compared = absolute(array, { actual, expected, tolerance: 1 });
  const off = Array.from(expected).filter((value, i) => value !== actual[i]).length;
  return compared.isOk && off >= 0.01 * expected.length ? { ...compared, isOk: false, note: `${off} of ${expected.length} bytes are off` } : compared;
}

export function failed(array: string, note: string): Comparison {
  return { array, worst: NaN, tolerance: TOLERANCE, measure: "of the maximum", isOk: false, note };
}

function judged(comparison: Omit<Comparison, "isOk">): Comparison {
  return { ...comparison, isOk: comparison.worst <= comparison.tolerance };
}

function distance(a: number | undefined, b: number | undefined): number {
  const difference = Math.abs((a ?? NaN) - (b ?? NaN));
  return Number.isNaN(difference) ? Infinity : difference;
}

/** @file The global gradient norm, and the factor that limits it. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { borrowFloats } from "../backend/host-memory.ts";

export type ClippedNorm =
  /** `norm` is the one before clipping; every gradient is to be multiplied by `factor`. */
  | { readonly kind: "finite"; readonly norm: number; readonly factor: number }
  /** Some gradient is NaN or infinite: no update may follow. `names` are the parameters concerned. */
  | { readonly kind: "non-finite"; readonly names: readonly string[] };

/** Keeps the factor finite when the norm is 0; torch's clip_grad_norm_ adds the same. */
const TINY = 1e-6;

/**
 * L2 norm over all gradients together, and the factor that brings it down to `maxNorm`.
 *
 * @param scale - what the gradients are to be multiplied with first, e.g. 1 / supervised tokens of the step.
 */
export function clipGradients(gradients: ReadonlyMap<string, Tensor>, { maxNorm, scale = 1 }: { maxNorm: number; scale?: number }): ClippedNorm {
  let total = 0;
  const nonFinite: string[] = [];
  for (const [name, gradient] of gradients) {
    const squares = sumOfSquares(borrowFloats(gradient));
    if (!Number.isFinite(squares)) nonFinite.push(name);
    total += squares;
  }
  if (nonFinite.length > 0 || !Number.isFinite(total * scale)) return { kind: "non-finite", names: nonFinite };
  const norm = Math.sqrt(total) * scale;
  return { kind: "finite", norm, factor: Math.min(1, maxNorm / (norm + TINY)) };
}

/** Four sums side by side, so that an addition need not wait for the one before. */
function sumOfSquares(values: Float32Array): number {
  const whole = values.length - (values.length % 4);
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < whole; i += 4) {
    a += values[i]! * values[i]!;
    b += values[i + 1]! * values[i + 1]!;
    c += values[i + 2]! * values[i + 2]!;
    d += values[i + 3]! * values[i + 3]!;
  }
  for (let i = whole; i < values.length; i++) a += values[i]! * values[i]!;
  return a + b + (c + d);
}

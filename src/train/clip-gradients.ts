/** @file The global gradient norm, and the factor that limits it. */
import type { GradientSquares } from "./gradient-squares.ts";

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
export function clippedNorm({ total, nonFinite }: GradientSquares, { maxNorm, scale = 1 }: { maxNorm: number; scale?: number }): ClippedNorm {
  if (nonFinite.length > 0 || !Number.isFinite(total * scale)) return { kind: "non-finite", names: nonFinite };
  const norm = Math.sqrt(total) * scale;
  return { kind: "finite", norm, factor: Math.min(1, maxNorm / (norm + TINY)) };
}

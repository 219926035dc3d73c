/**
 * @file Masks of dropout: 0 with probability `rate`, else 1 / (1 - rate), element by element from a counter, so that a mask
 * can be made again instead of kept, and is the same on every backend.
 */
import { tensor, type Tensor } from "@tensorflow/tfjs-core";
import { offersOwnKernel, runOwnKernel } from "./own-kernels.ts";

/** Numbers on their way into adapters, or what a layer adds to its input. */
export type DropPlace = "adapters" | "residual";

export interface MaskNumbers {
  /** 32-bit words of the key. */
  readonly low: number;
  readonly high: number;
  /** 0 to below 1; applied to 1 / 65536. */
  readonly rate: number;
}

/** The mask [rows, width] of a key. */
export function dropoutMask(shape: readonly number[], { rate, key: [low, high] }: { readonly rate: number; readonly key: readonly [low: number, high: number] }): Tensor {
  const [rows = 0, width = 0] = shape;
  if (rows * width > 0 && offersOwnKernel("DropoutMask")) return runOwnKernel("DropoutMask", {}, { rows, width, low, high, rate })[0];
  const values = new Float32Array(rows * width);
  fillDropoutMask(values, { low, high, rate });
  return tensor(values, [rows, width], "float32");
}

/** Draws below this, of 65,536, are dropped. */
export function dropThreshold(rate: number): number {
  return Math.round(rate * 65_536);
}

/** A hash of 32 bits for every two elements, of which each takes half: C. Wellons's lowbias32 of a Weyl sequence. */
export function fillDropoutMask(values: Float32Array, { low, high, rate }: MaskNumbers): void {
  const threshold = dropThreshold(rate);
  const kept = 1 / (1 - rate);
  for (let i = 0; i < values.length; i += 2) {
    let hash = (Math.imul(i >>> 1, 0x9e3779b9) + low) ^ high;
    hash = Math.imul(hash ^ (hash >>> 16), 0x21f0aaad);
    hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
    hash ^= hash >>> 15;
    values[i] = (hash & 0xffff) < threshold ? 0 : kept;
    values[i + 1] = hash >>> 16 < threshold ? 0 : kept; // past the end of an odd length this writes nothing
  }
}

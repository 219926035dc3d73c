/**
 * @file HalfWeight: a matrix in half its memory, as pairs of half-precision numbers on a device whose products read them so.
 * Kept are halves of SCALE times the number: then halves that are not normal, which devices may take for zero, stand only for
 * less than 6e-8. Of everything else up to 64 it is the usual rounding to 11 bits, of bfloat16 and float16 the number itself.
 */
import { engine, type Tensor } from "@tensorflow/tfjs-core";
import { offersOwnKernel, runOwnKernel } from "./own-kernels.ts";

export interface HalfWeight {
  /** [out, in / 2] int32; the first number of a pair is in the low bits. */
  readonly halves: Tensor;
  /** [out, in] */
  readonly shape: readonly number[];
}

export const HALF_SCALE = 1024;
/** What the exponent of a float32 is larger by than that of the half which stands for it. */
const BIAS = (127 - 15 - Math.log2(HALF_SCALE)) << 10;
const LEAST_NORMAL = 0x400;
const INFINITY = 0x7c00;
const LOST_BITS = 13;

/** Whether a weight of this shape can be kept in halves: a matrix whose rows are whole quads. */
export function isHalvable(shape: readonly number[]): boolean {
  return shape.length === 2 && shape[1]! > 0 && shape[1]! % 4 === 0;
}

/** The bytes that a matrix in halves takes. */
export function halvedBytes([outputSize = 0, inputSize = 0]: readonly number[]): number {
  return 2 * outputSize * inputSize;
}

/** Whether the current backend's products read halves. */
export function keepsHalves(): boolean {
  return offersOwnKernel("WidenHalves");
}

/** Pairs of halves, rounded to the nearest, ties to even; undefined when a number is 64 or more, or none. */
export function packHalves(values: Float32Array): Int32Array | undefined {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const all = bits[i]!;
    const magnitude = all & 0x7fffffff;
    const half = ((magnitude + 0xfff + ((magnitude >>> LOST_BITS) & 1)) >>> LOST_BITS) - BIAS;
    if (half >= INFINITY) return undefined;
    halves[i] = half < LEAST_NORMAL ? 0 : half | ((all >>> 16) & 0x8000);
  }
  return new Int32Array(halves.buffer);
}

/** The rounded numbers. */
export function halvesAsFloats(pairs: Int32Array): Float32Array {
  const halves = new Uint16Array(pairs.buffer, pairs.byteOffset, 2 * pairs.length);
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < bits.length; i++) {
    const magnitude = halves[i]! & 0x7fff;
    bits[i] = magnitude === 0 ? 0 : ((magnitude + BIAS) << LOST_BITS) | ((halves[i]! & 0x8000) << 16);
  }
  return new Float32Array(bits.buffer);
}

/** A new tensor of the rounded numbers, [out, in]. */
export function widened({ halves }: HalfWeight): Tensor {
  return runOwnKernel("WidenHalves", { halves })[0];
}

/** The matrix on the current backend, which keeps halves. */
export function halfWeight(pairs: Int32Array, shape: readonly number[]): HalfWeight {
  const [outputSize = 0, inputSize = 0] = shape;
  return { halves: engine().makeTensor(pairs, [outputSize, inputSize / 2], "int32"), shape };
}

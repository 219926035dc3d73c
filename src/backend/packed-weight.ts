/**
 * @file PackedWeight: a matrix rounded to 8 bits, a little more than a quarter of its memory. Neighbours along the input
 * form blocks with a scale of their own, so that an outlier costs its block alone: w = scale * code, code in -127..127.
 */

export interface PackedWeight {
  /** Row by row. */
  readonly codes: Int8Array;
  /** One of every block of `block` codes. */
  readonly scales: Float32Array;
  readonly block: number;
  /** [out, in] */
  readonly shape: readonly number[];
}

/** The first that divides a row. A block of 64 has a step a tenth larger than one of 32, and half of that of a whole row. */
const BLOCK_SIZES = [64, 32, 16];
const LARGEST_CODE = 127;
/** Of float32's normal numbers; below it the engine computes with zero. */
const SMALLEST_SCALE = 2 ** -126;
/** Added to a small double and taken away again, it leaves the nearest integer; Math.round takes four times as long. */
const ROUNDER = 1.5 * 2 ** 52;

/** Whether a weight of this shape can be packed: a matrix whose rows are whole blocks. */
export function isPackable(shape: readonly number[]): boolean {
  return shape.length === 2 && blockOf(shape) !== undefined;
}

/** The bytes that a packed matrix takes. */
export function packedBytes(shape: readonly number[]): number {
  const [outputSize = 0, inputSize = 0] = shape;
  return outputSize * inputSize * (1 + Float32Array.BYTES_PER_ELEMENT / (blockOf(shape) ?? 1));
}

/** The matrix, rounded. A number that is not finite makes its whole block NaN. */
export function packWeight(values: Float32Array, shape: readonly number[]): PackedWeight {
  const block = blockOf(shape);
  if (block === undefined) throw new Error(`a weight of shape [${shape.join()}] cannot be packed`);
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(values.length / block);
  for (let i = 0; i < scales.length; i++) {
    const end = (i + 1) * block;
    let largest = 0;
    for (let j = end - block; j < end; j++) largest = Math.max(largest, Math.abs(values[j]!));
    const scale = Math.fround(largest / LARGEST_CODE);
    if (scale < SMALLEST_SCALE) continue;
    scales[i] = scale;
    const steps = 1 / scale;
    for (let j = end - block; j < end; j++) codes[j] = values[j]! * steps + ROUNDER - ROUNDER;
  }
  return { codes, scales, block, shape };
}

/** The rounded numbers, row by row. */
export function unpackedValues({ codes, scales, block }: PackedWeight): Float32Array {
  const values = new Float32Array(codes.length);
  for (let i = 0; i < values.length; i++) values[i] = codes[i]! * scales[Math.floor(i / block)]!;
  return values;
}

function blockOf([, inputSize = 0]: readonly number[]): number | undefined {
  return BLOCK_SIZES.find((size) => inputSize > 0 && inputSize % size === 0);
}

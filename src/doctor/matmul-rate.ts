/** @file How fast a backend multiplies matrices, and whether the product is right. */
import { dispose, matMul, slice, type Tensor, tensor2d, tidy } from "@tensorflow/tfjs-core";
import { readFloats } from "../backend/host-memory.ts";

export interface MatmulRate {
  /** Rows and columns of the square float32 matrices. */
  readonly size: number;
  readonly gigaflops: number;
  /** Largest difference in the first row from the product in double precision, over its largest number; null when it is no number. */
  readonly error: number | null;
}

const SIZES = [128, 256, 512, 1024, 2048, 4096] as const;
/** A product that takes this long says enough; the next size would take eight times as long. */
const LONG_ENOUGH_MS = 30;
const BUDGET_MS = 700;

/** On the current backend. */
export async function matmulRate(): Promise<MatmulRate> {
  const rate = await productRate(BUDGET_MS);
  return { ...rate, error: await productError(rate.size) };
}

const TRIES = 3;
const TRY_BUDGET_MS = 60;

/** The rate alone, in less time: the best of some tries, since whatever else runs only makes a try slower. */
export async function quickRate(): Promise<number> {
  const rates: number[] = [];
  for (let attempt = 0; attempt < TRIES; attempt++) rates.push((await productRate(TRY_BUDGET_MS)).gigaflops);
  return Math.max(...rates);
}

/** `budget` in milliseconds of repeated products. */
async function productRate(budget: number): Promise<Rate> {
  return bestRate(async (side, times) => {
    const [left, right] = [pattern(side, 1), pattern(side, 2)];
    const started = performance.now();
    const product = multiplyRepeatedly(left, right, times);
    const number = tidy(() => slice(product, [0, 0], [1, 1]));
    await readFloats(number); // a device is done with all before when it hands out the last
    const milliseconds = performance.now() - started;
    dispose([left, right, product, number]);
    return milliseconds;
  }, budget);
}

export type Rate = Pick<MatmulRate, "size" | "gigaflops">;

/** Grows the matrices until a product takes long enough, then times as many as the budget of milliseconds allows. `run` gives milliseconds. */
export async function bestRate(run: (size: number, times: number) => Promise<number>, budget = BUDGET_MS): Promise<Rate> {
  let size: number = SIZES[0];
  let milliseconds = 0;
  for (size of SIZES) {
    await run(size, 1); // kernels are compiled once for each size
    milliseconds = await run(size, 1);
    if (milliseconds >= LONG_ENOUGH_MS) break;
  }
  const times = Math.max(1, Math.floor(budget / Math.max(0.1, milliseconds)));
  return { size, gigaflops: (2 * size ** 3 * times) / (await run(size, times)) / 1e6 };
}

function multiplyRepeatedly(left: Tensor, right: Tensor, times: number): Tensor {
  for (let i = 1; i < times; i++) dispose(matMul(left, right));
  return matMul(left, right);
}

async function productError(size: number): Promise<number | null> {
  const [left, right] = [numbers(size, 1), numbers(size, 2)];
  const row = tidy(() => slice(matMul(tensor2d(left, [size, size]), tensor2d(right, [size, size])), [0, 0], [1, size]));
  const got = await readFloats(row);
  const expected = firstRow(left, right, size);
  const error = largest(expected.map((value, i) => value - (got[i] ?? NaN))) / largest(expected);
  row.dispose();
  return Number.isFinite(error) ? error : null;
}

function firstRow(left: Float32Array, right: Float32Array, size: number): Float64Array {
  const row = new Float64Array(size);
  for (let k = 0; k < size; k++) {
    const factor = left[k]!;
    for (let column = 0; column < size; column++) row[column]! += factor * right[k * size + column]!;
  }
  return row;
}

function largest(values: Float64Array): number {
  return values.reduce((most, value) => (Number.isNaN(value) ? NaN : Math.max(most, Math.abs(value))), 0);
}

function pattern(size: number, salt: number): Tensor {
  return tensor2d(numbers(size, salt), [size, size], "float32");
}

/** In [-0.5, 0.5), scattered; a random generator would take longer than the products. */
function numbers(size: number, salt: number): Float32Array {
  const values = new Float32Array(size * size);
  for (let i = 0; i < values.length; i++) values[i] = ((Math.imul(i + salt, 0x9e3779b1) ^ Math.imul(i, 0x85ebca6b * salt)) >>> 0) / 2 ** 32 - 0.5;
  return values;
}

/** @file The device's peak as the product can reach it: a bare product of square float32 matrices in the backend that is timed. */
import { dispose, matMul, type Tensor2D, tensor2d } from "@tensorflow/tfjs-core";
import { computed, isOnGpu } from "./backend.ts";
import { noise } from "./cases/cheap-weights.ts";
import { measure, median } from "./measure.ts";

const CPU_SIZES = [768, 1024, 1536];

/** Upwards; a slow one (a driver in software) stops where the next size would take too long. */
const GPU_SIZES = [256, 512, 1024, 2048, 4096];
const LONGEST_GPU_PRODUCT_MS = 2000;
/** Queued before the one wait, products shall take this long together: waiting takes up to a few milliseconds. */
const QUEUE_MS = 50;
const LONGEST_QUEUE = 1024;

/** The best of several sizes in GFLOP/s. */
export async function gemmPeak(): Promise<number> {
  return isOnGpu() ? gpuPeak() : cpuPeak();
}

async function cpuPeak(): Promise<number> {
  const rates: number[] = [];
  for (const size of CPU_SIZES) rates.push(await withSquares(size, cpuRate));
  return Math.max(...rates);
}

/** Of the median of at least 20 products in a row. */
async function cpuRate(left: Tensor2D, right: Tensor2D): Promise<number> {
  const times = await measure(
    async () => {
      const started = performance.now();
      const product = matMul(left, right);
      await computed(product);
      dispose(product);
      return performance.now() - started;
    },
    { warmups: 3, least: 20, most: 200, budgetMs: 1000 },
  );
  return rateOf(left, median(times));
}

async function gpuPeak(): Promise<number> {
  let peak = 0;
  for (const size of GPU_SIZES) {
    const rate = await withSquares(size, queuedRate);
    peak = Math.max(peak, rate);
    if (2 * (2 * size) ** 3 / rate / 1e6 > LONGEST_GPU_PRODUCT_MS) break;
  }
  return peak;
}

/** Of the median of several queues of products, each waited for once. */
async function queuedRate(left: Tensor2D, right: Tensor2D): Promise<number> {
  await queue(left, right, 1); // compiles the kernel
  let count = 1;
  while ((await queue(left, right, count)) < QUEUE_MS && count < LONGEST_QUEUE) count *= 2;
  const times = await measure(() => queue(left, right, count), { warmups: 0, least: 5, most: 20, budgetMs: 1000 });
  return rateOf(left, median(times) / count);
}

async function queue(left: Tensor2D, right: Tensor2D, count: number): Promise<number> {
  const started = performance.now();
  for (let i = 1; i < count; i++) dispose(matMul(left, right));
  const last = matMul(left, right);
  await computed(last);
  dispose(last);
  return performance.now() - started;
}

async function withSquares<T>(size: number, body: (left: Tensor2D, right: Tensor2D) => Promise<T>): Promise<T> {
  const matrix = () => tensor2d(noise(size * size), [size, size]);
  const [left, right] = [matrix(), matrix()];
  try {
    return await body(left, right);
  } finally {
    dispose([left, right]);
  }
}

function rateOf({ shape: [size] }: Tensor2D, milliseconds: number): number {
  return (2 * size ** 3) / milliseconds / 1e6;
}

/** @file The machine's peak as the product can reach it: a bare product of square float32 matrices in the backend that is timed. */
import { dispose, matMul, tensor2d } from "@tensorflow/tfjs-core";
import { selectBackend } from "../../src/backend/select.ts";
import { rng } from "../../src/core/rng.ts";
import { BACKEND } from "./backend.ts";
import { measure, median } from "./measure.ts";

const SIZES = [768, 1024, 1536];

/** The best of several sizes in GFLOP/s; of each size the median of at least 20 products in a row. */
export async function gemmPeak(): Promise<number> {
  await selectBackend(BACKEND);
  const rates: number[] = [];
  for (const size of SIZES) rates.push(await gemmRate(size));
  return Math.max(...rates);
}

async function gemmRate(size: number): Promise<number> {
  const draw = rng("bench gemm", size);
  const matrix = () => tensor2d(Float32Array.from({ length: size * size }, () => 2 * draw.uniform() - 1), [size, size]);
  const [left, right] = [matrix(), matrix()];
  const times = await measure(
    () => {
      const started = performance.now();
      dispose(matMul(left, right));
      return Promise.resolve(performance.now() - started);
    },
    { warmups: 3, least: 20, most: 200, budgetMs: 1000 },
  );
  dispose([left, right]);
  return (2 * size ** 3) / median(times) / 1e6;
}

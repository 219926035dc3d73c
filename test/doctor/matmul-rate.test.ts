import { registerKernel, unregisterKernel, getKernel, memory } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { selectBackend } from "../../src/backend/select.ts";
import { bestRate, matmulRate, quickRate } from "../../src/doctor/matmul-rate.ts";

test("matrices grow until a product takes 30 ms, then fill the budget", async () => {
  const runs: (readonly [number, number])[] = [];

  // 1 GFLOP/s: a product of 256 takes 34 ms
  const rate = await bestRate((size, times) => {
    runs.push([size, times]);
    return Promise.resolve((2 * size ** 3 * times) / 1e6);
  });

  expect(runs).toEqual([[128, 1], [128, 1], [256, 1], [256, 1], [256, 20]]);
  expect(rate.size).toBe(256);
  expect(rate.gigaflops).toBeCloseTo(1, 6);
});

test("the fastest card stops at the largest size", async () => {
  const rate = await bestRate((size, times) => Promise.resolve((2 * size ** 3 * times) / 1e11)); // 100 TFLOP/s

  expect(rate.size).toBe(4096);
  expect(rate.gigaflops).toBeCloseTo(1e5, 0);
});

test("a backend's own product is right, a wrong one is seen, and nothing is left behind", { timeout: 60_000 }, async () => {
  await selectBackend("cpu");
  const before = memory().numTensors;

  const right = await matmulRate();
  expect(right.gigaflops).toBeGreaterThan(0);
  expect(right.error).toBeLessThan(1e-5);
  expect(await quickRate()).toBeGreaterThan(0);
  expect(memory().numTensors).toBe(before);

  const { kernelFunc } = getKernel("BatchMatMul", "cpu");
  unregisterKernel("BatchMatMul", "cpu");
  registerKernel({ kernelName: "BatchMatMul", backendName: "cpu", kernelFunc: (call) => kernelFunc({ ...call, inputs: { a: call.inputs["b"]!, b: call.inputs["a"]! } }) });

  expect((await matmulRate()).error).toBeGreaterThan(0.1);
});

import { getBackend, memory } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { dropoutMask, fillDropoutMask } from "../../src/backend/dropout-mask.ts";
import { selectBackend } from "../../src/backend/select.ts";
import { counterKey } from "../../src/core/rng.ts";

const KEY = counterKey("dropout", 42, "reasoning", 7, 0, "language_model.model.layers.0.self_attn.q_proj");

test("a rate of 0.05 drops one number in twenty, within five standard deviations, and the mean stays 1", () => {
  const values = maskOf(1_000_000, 0.05);

  expect([...new Set(values)].sort()).toEqual([0, Math.fround(1 / 0.95)]);
  // sqrt(1e6 * 0.05 * 0.95) = 218
  expect(Math.abs(count(values) - 50_000)).toBeLessThan(5 * 218);
  expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(1, 2);
});

test("neighbours, halves of one hash and masks of other keys are independent: pairs are dropped together once in rate^-2", () => {
  const rate = 0.25;
  const n = 400_000;
  const values = maskOf(n, rate);
  const others = ["step 8", "batch 1", "k_proj"].map((name) => maskOf(n, rate, counterKey("dropout", 42, "reasoning", name)));
  const shifts = [1, 2, 3, 64, 896];
  const pairs = [...shifts.map((shift) => [values, values.subarray(shift)] as const), ...others.map((other) => [values, other] as const)];

  for (const [a, b] of pairs) {
    const both = b.reduce((sum, value, i) => sum + (value === 0 && a[i] === 0 ? 1 : 0), 0);
    // sqrt(4e5 / 16 * 15 / 16) = 153
    expect(Math.abs(both - b.length * rate ** 2)).toBeLessThan(5 * 153);
  }
});

test("the numbers are those of the formula in whole numbers, so that a resumed run drops the same", () => {
  const [low, high] = [0xdeadbeef, 0x12345678];
  const values = new Float32Array(7);
  fillDropoutMask(values, { low, high, rate: 0.5 });

  const expected = Array.from({ length: 7 }, (_, i) => (((wellons(i >> 1, low, high) >> BigInt(16 * (i % 2))) & 0xffffn) < 32_768n ? 0 : 2));

  expect([...values]).toEqual(expected);
  expect(new Set(expected)).toEqual(new Set([0, 2]));
});

test("every backend makes the same mask, and leaves one tensor", async () => {
  const masks: number[][] = [];
  for (const name of ["cpu", "onnxruntime"]) {
    await selectBackend(name);
    expect(getBackend()).toBe(name);
    const before = memory().numTensors;
    const mask = dropoutMask([3, 5], { rate: 0.3, key: KEY });
    expect([memory().numTensors - before, mask.shape]).toEqual([1, [3, 5]]);
    masks.push([...mask.dataSync()]);
    mask.dispose();
  }

  expect(masks[0]).toEqual([...maskOf(15, 0.3)]);
  expect(masks[1]).toEqual(masks[0]);
  expect(count(Float32Array.from(masks[0]!))).toBeGreaterThan(0);
});

function maskOf(length: number, rate: number, [low, high] = KEY): Float32Array {
  const values = new Float32Array(length);
  fillDropoutMask(values, { low, high, rate });
  return values;
}

function count(values: Float32Array): number {
  return values.reduce((sum, value) => sum + (value === 0 ? 1 : 0), 0);
}

/** The hash in exact arithmetic modulo 2^32. */
function wellons(counter: number, low: number, high: number): bigint {
  const word = (value: bigint): bigint => value & 0xffffffffn;
  let x = word(word(BigInt(counter) * 0x9e3779b9n + BigInt(low)) ^ BigInt(high));
  x = word((x ^ (x >> 16n)) * 0x21f0aaadn);
  x = word((x ^ (x >> 15n)) * 0x735a2d97n);
  return x ^ (x >> 15n);
}

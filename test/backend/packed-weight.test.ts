import { expect, test } from "vitest";
import { isPackable, packedBytes, packWeight, unpackedValues } from "../../src/backend/packed-weight.ts";
import { rng } from "../../src/core/rng.ts";

test("by hand: a block's largest value has the code 127, the others the nearest of theirs", () => {
  const packed = packWeight(Float32Array.of(2.54, -2.54, 0.02, 0.029, -0.031, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), [1, 16]);

  expect(packed.block).toBe(16);
  expect(packed.scales[0]).toBeCloseTo(0.02, 7);
  expect([...packed.codes].slice(0, 6)).toEqual([127, -127, 1, 1, -2, 50]);
  expect([...unpackedValues(packed)].slice(0, 6).map((value) => Number(value.toFixed(6)))).toEqual([2.54, -2.54, 0.02, 0.02, -0.04, 1]);
});

test("no number moves by more than half a step of its block; an outlier and a block of zeros stay alone", () => {
  const draw = rng("packed");
  const values = Float32Array.from({ length: 3 * 128 }, () => draw.normal());
  values[0] = 1000;
  values.fill(0, 64, 128);

  const { scales: steps, ...packed } = packWeight(values, [3, 128]);
  const rounded = unpackedValues({ ...packed, scales: steps });

  expect(steps.length).toBe(6); // blocks of 64
  for (const [i, value] of values.entries()) expect(Math.abs(rounded[i]! - value)).toBeLessThanOrEqual(steps[Math.floor(i / 64)]! * 0.5001);
  expect(rounded[0]).toBeCloseTo(1000, 2);
  expect(steps[0]).toBeGreaterThan(7);
  expect(steps[1]).toBe(0);
  expect(Math.max(...steps.subarray(1))).toBeLessThan(0.05);
  expect([...rounded.subarray(64, 128)]).toEqual(new Array(64).fill(0));
});

test("what is rounded already stays as it is", () => {
  const draw = rng("twice");
  const once = unpackedValues(packWeight(Float32Array.from({ length: 256 }, () => draw.normal()), [4, 64]));

  expect(unpackedValues(packWeight(once, [4, 64]))).toEqual(once);
});

test("numbers too small for the engine become zero, and what is not finite is not hidden", () => {
  expect([...unpackedValues(packWeight(new Float32Array(16).fill(3e-43), [1, 16]))]).toEqual(new Array(16).fill(0));
  for (const bad of [NaN, Infinity]) {
    const values = new Float32Array(32).fill(1);
    values[3] = bad;
    const rounded = unpackedValues(packWeight(values, [2, 16]));
    expect([...rounded.subarray(0, 16)].some(Number.isNaN)).toBe(true);
    expect([...rounded.subarray(16)]).toEqual(new Array(16).fill(1));
  }
});

test("rows must be whole blocks of 16 at least; a block of 64 costs 17 bytes for 16 numbers", () => {
  expect([[8, 64], [8, 32], [8, 48], [8, 24], [8, 0], [64], [2, 64, 64]].map(isPackable)).toEqual([true, true, true, false, false, false, false]);
  expect(packedBytes([10, 128])).toBe((1280 / 16) * 17);
  expect(packedBytes([10, 48])).toBe(480 + 4 * 30);
  expect(() => packWeight(new Float32Array(24), [1, 24])).toThrow("a weight of shape [1,24] cannot be packed");
});

import { memory, tensor, type Tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { clippedNorm, type ClippedNorm } from "../../src/train/clip-gradients.ts";
import { readStepNumbers } from "../../src/train/step-numbers.ts";
import { useDeviceDouble } from "../backend/device-double.ts";
import { randomTensor } from "../model/support.ts";
import { emptyStore } from "../model/toy-model.ts";

async function gradients(values: Record<string, number[]>): Promise<Map<string, Tensor>> {
  await emptyStore();
  return new Map(Object.entries(values).map(([name, numbers]) => [name, tensor(numbers)]));
}

async function clipped(values: Record<string, number[]>, limits: { maxNorm: number; scale?: number }): Promise<ClippedNorm> {
  const { squares } = await readStepNumbers({ losses: [], gradients: await gradients(values) });
  return clippedNorm(squares, limits);
}

test("the norm is taken over all gradients together and brought down to the limit", async () => {
  const threeFour = await clipped({ a: [3], b: [0, 4] }, { maxNorm: 1 });

  // 3-4-5 triangle: 5, and 1 / 5.
  expect(threeFour).toMatchObject({ kind: "finite", norm: 5 });
  expect(threeFour.kind === "finite" && threeFour.factor).toBeCloseTo(0.2, 6);
});

test.each([1, 2, 3, 4, 5, 6, 7, 8, 9])("every one of %i numbers counts", async (length) => {
  const values = Array.from({ length }, (_, i) => i + 1);

  const counted = await clipped({ a: values }, { maxNorm: 100 });

  // 1 + 4 + ... + n^2.
  expect(counted.kind === "finite" && counted.norm ** 2).toBeCloseTo((length * (length + 1) * (2 * length + 1)) / 6, 9);
});

test("a norm below the limit is left alone, and a scale is applied before the norm is taken", async () => {
  expect(await clipped({ a: [3, 4] }, { maxNorm: 10 })).toEqual({ kind: "finite", norm: 5, factor: 1 });
  expect(await clipped({ a: [3, 4] }, { maxNorm: 1, scale: 0.1 })).toEqual({ kind: "finite", norm: 0.5, factor: 1 });
  expect(await clipped({ a: [0, 0] }, { maxNorm: 1 })).toEqual({ kind: "finite", norm: 0, factor: 1 });
});

test("NaN and infinity are reported with the parameters' names", async () => {
  expect(await clipped({ a: [1], b: [NaN, 1], c: [Infinity] }, { maxNorm: 1 })).toEqual({ kind: "non-finite", names: ["b", "c"] });
  expect(await clipped({ a: [1] }, { maxNorm: 1, scale: Infinity })).toEqual({ kind: "non-finite", names: [] });
});

test("on a device, losses and norm come in one read: whole runs, padded ones, gradients longer than what is joined", async () => {
  const { reads } = await useDeviceDouble({ ownKernels: false });
  const lengths = [1024, 3, 2049, (1 << 22) + 1, 1];
  const losses = [tensor([1, 2, 3]), tensor([4])];
  const numbers = lengths.map((length) => Float32Array.from({ length }, (_, i) => ((i % 7) - 3) / 4));
  const gradients = new Map(numbers.map((own, i) => [`g${i}`, tensor(own)]));
  const before = memory().numTensors;

  const step = await readStepNumbers({ losses, gradients });

  const expected = numbers.reduce((sum, own) => sum + own.reduce((all, value) => all + value * value, 0), 0);
  expect(reads()).toBe(1);
  expect(step.losses.map((own) => [...own])).toEqual([[1, 2, 3], [4]]);
  expect(step.squares.total / expected).toBeCloseTo(1, 6);
  expect(step.squares.nonFinite).toEqual([]);
  expect(memory().numTensors).toBe(before);
});

test("on a device, the names of gradients that are not finite are looked up", async () => {
  const { reads } = await useDeviceDouble({ ownKernels: false });
  const gradients = new Map([["a", randomTensor("a", [5])], ["b", tensor([NaN, 1])], ["c", tensor([[1], [Infinity]])]]);

  const { squares } = await readStepNumbers({ losses: [], gradients });

  expect(squares.nonFinite).toEqual(["b", "c"]);
  expect(reads()).toBe(2);
});

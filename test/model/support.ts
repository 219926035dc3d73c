/** @file What the model tests share: the reference backend, golden tensors, comparison, numeric gradients. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { registerGradients } from "../../src/backend/gradients.ts";
import { selectBackend } from "../../src/backend/select.ts";
import { rng } from "../../src/core/rng.ts";
import { openSafetensors } from "../../src/model/checkpoints/safetensors.ts";
import { ParamStore } from "../../src/model/params.ts";
import { goldenPath } from "../golden/golden.ts";

/** Starts a backend: "cpu" runs blocks op by op, "onnxruntime" compiles them. */
export async function useBackend(name: string): Promise<void> {
  expect((await selectBackend(name)).name).toBe(name);
  registerGradients();
}

export function useCpuBackend(): Promise<void> {
  return useBackend("cpu");
}

/** Every tensor of a golden safetensors file by name. */
export async function goldenTensors(...path: readonly string[]): Promise<Map<string, Tensor>> {
  const file = await openSafetensors(goldenPath(...path));
  try {
    const entries = file.names.map(async (name): Promise<[string, Tensor]> => {
      const { dtype, shape } = file.info(name);
      const values = await file.read(name);
      if (!(values instanceof Float32Array) && !(values instanceof Int32Array)) throw new Error(`${name} is ${dtype}`);
      return [name, tf.tensor(values, [...shape], values instanceof Int32Array ? "int32" : "float32")];
    });
    return new Map(await Promise.all(entries));
  } finally {
    await file.close();
  }
}

export function named(tensors: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`no golden tensor ${name}`);
  return tensor;
}

export function storeOf(tensors: Iterable<readonly [string, Tensor]>): ParamStore {
  const store = new ParamStore();
  for (const [name, tensor] of tensors) store.set(name, tensor);
  return store;
}

/** Largest difference over the largest expected value; with a mask, only where it is 1 (one entry per row of the last axis). */
export function relativeError(actual: Tensor, expected: Tensor, mask?: ArrayLike<number>): number {
  expect(actual.shape).toEqual(expected.shape);
  const [got, want] = [actual.dataSync(), expected.dataSync()];
  const width = expected.shape.at(-1) ?? 1;
  let [difference, largest] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    if (mask !== undefined && mask[Math.floor(i / width)] !== 1) continue;
    difference = Math.max(difference, Number.isNaN(got[i]!) ? Infinity : Math.abs(got[i]! - want[i]!));
    largest = Math.max(largest, Math.abs(want[i]!));
  }
  expect(largest, "a comparison with nothing but zeros").toBeGreaterThan(0);
  return difference / largest;
}

/** The golden README's tolerance for activations, logits and gradients, relative to the tensor's maximum. */
export const GOLDEN_TOLERANCE = 1e-4;

export function expectGolden(actual: Tensor, expected: Tensor, mask?: ArrayLike<number>): void {
  expect(relativeError(actual, expected, mask)).toBeLessThan(GOLDEN_TOLERANCE);
}

/** Normal numbers that depend on the key alone. */
export function randomTensor(key: string, shape: readonly number[], scale = 1): Tensor {
  const stream = rng("test tensor", key);
  const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => scale * stream.normal());
  return tf.tensor(values, [...shape]);
}

/**
 * Compares tfjs's gradient of sum(weight * fn(inputs)) with five-point differences, for every element of every input.
 * The weighted sum is taken in doubles; the step leaves a float32 rounding error of about 1e-5.
 */
export function expectGradientsMatchDifferences(fn: (...inputs: Tensor[]) => Tensor, inputs: readonly Tensor[]): void {
  const weight = randomTensor("dy", fn(...inputs).shape);
  const gradients = tf.grads((...own: Tensor[]) => fn(...own))([...inputs], weight);
  const weightValues = weight.dataSync();
  const value = (own: Tensor[]): number => tf.tidy(() => Float64Array.from(fn(...own).dataSync(), (y, i) => y * weightValues[i]!).reduce((a, b) => a + b));
  for (const [which, gradient] of gradients.entries()) {
    const numeric = differences(value, inputs, which);
    expect(gradient.shape).toEqual(inputs[which]!.shape);
    expect(relativeError(gradient, tf.tensor(numeric, gradient.shape)), `gradient of input ${which}`).toBeLessThan(2e-3);
  }
}

function differences(value: (inputs: Tensor[]) => number, inputs: readonly Tensor[], which: number): Float32Array {
  const step = 0.02;
  const base = inputs[which]!.dataSync();
  const at = (index: number, offset: number): number => {
    const moved = Float32Array.from(base);
    moved[index]! += offset;
    const tensor = tf.tensor(moved, inputs[which]!.shape);
    const result = value(inputs.map((input, i) => (i === which ? tensor : input)));
    tensor.dispose();
    return result;
  };
  return Float32Array.from(base, (_, i) => (8 * (at(i, step) - at(i, -step)) - (at(i, 2 * step) - at(i, -2 * step))) / (12 * step));
}

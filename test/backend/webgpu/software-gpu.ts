/**
 * @file Tests on a GPU made of software: SwiftShader, which Dawn finds through the Vulkan loader (VK_DRIVER_FILES names its
 * driver, LD_LIBRARY_PATH the loader's folder; scripts/software-gpu.sh fetches both). Where no driver is named the tests are
 * skipped, and say so; one that is named has to work.
 */
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, describe, expect } from "vitest";
import { registerWebGpuBackend, WEBGPU } from "../../../src/backend/webgpu/backend.ts";
import type { OpenDevice } from "../../../src/backend/webgpu/device.ts";
import { rng } from "../../../src/core/rng.ts";
import { useBackend } from "../../model/support.ts";

const opened = await open();

/** `describe` with `webgpu` as the current backend; every test fails on what the device reports. Skipped without a driver. */
export function describeOnGpu(name: string, body: () => void): void {
  describeWithDriver(name, () => {
    beforeAll(async () => {
      await useBackend("cpu"); // brings the gradients and the reference
      await useGpu();
    });
    afterEach(() => expect(typeof opened === "string" ? opened : opened.failure()?.message).toBeUndefined());
    body();
  });
}

/** `describe` of what opens devices of its own, or breaks them. Skipped without a driver. */
export function describeWithDriver(name: string, body: () => void): void {
  if (typeof opened !== "string") {
    describe(name, body);
    return;
  }
  // eslint-disable-next-line no-console -- a skipped test says why
  console.warn(`skipped: ${name} (${opened.split("\n", 1)[0]} scripts/software-gpu.sh fetches a driver)`);
  describe.skip(name, body);
}

export async function useGpu(): Promise<void> {
  await tf.setBackend(WEBGPU);
  expect(tf.getBackend()).toBe(WEBGPU);
}

/** tfjs's backend on the device. */
export function gpuBackend(): WebGPUBackend {
  const current = tf.backend();
  if (!(current instanceof WebGPUBackend)) throw new Error(`the backend is ${tf.getBackend()}`);
  return current;
}

/** Values of tensors on the current backend, which are disposed. */
export async function valuesOf(tensors: readonly Tensor[]): Promise<Float32Array[]> {
  const values = await Promise.all(tensors.map(async (tensor) => Float32Array.from(await tensor.data())));
  tf.dispose([...tensors]);
  return values;
}

/** Normal numbers that depend on the key alone. */
export function normals(key: string, length: number, scale = 1): Float32Array {
  const stream = rng("gpu test", key);
  return Float32Array.from({ length }, () => scale * stream.normal());
}

/** The largest difference over the largest expected value. */
export function relativeDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  let [difference, largest] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const each = Math.abs(actual[i]! - expected[i]!);
    difference = Math.max(difference, Number.isNaN(each) ? Infinity : each);
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  expect(largest, "a comparison with nothing but zeros").toBeGreaterThan(0);
  return difference / largest;
}

async function open(): Promise<OpenDevice | string> {
  try {
    return await registerWebGpuBackend("SwiftShader");
  } catch (error) {
    if (process.env["VK_DRIVER_FILES"] !== undefined) throw error;
    return error instanceof Error ? error.message : String(error);
  }
}

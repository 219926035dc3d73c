import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { MODEL_KERNELS } from "../../../src/backend/model-kernels.ts";
import { WEBGPU } from "../../../src/backend/webgpu/backend.ts";
import { describeOnGpu, normals, relativeDifference, valuesOf } from "./software-gpu.ts";

describeOnGpu("tfjs's own kernels on a GPU", () => {
  test("every one that the model runs is there", () => {
    const there = new Set(tf.getKernelsForBackend(WEBGPU).map(({ kernelName }) => kernelName));

    expect(MODEL_KERNELS.filter((name) => !there.has(name))).toEqual([]);
  });

  test("label scores pick the number that they ask for, beyond what float32 counts too", async () => {
    const [rows, columns] = [5, 2 ** 22 + 1];
    const numbers = new Float32Array(rows * columns);
    const asked = [[0, 7], [3, 4_194_300], [4, 3], [4, 4], [4, 5], [4, 4_194_304]] as const;
    for (const [row, column] of asked) numbers[row * columns + column] = row * 10 + (column % 10);

    const [found] = await valuesOf([tf.tidy(() => tf.gatherND(tf.tensor2d(numbers, [rows, columns]), tf.tensor2d(asked.flat(), [asked.length, 2], "int32")))]);

    expect([...found!]).toEqual(asked.map(([row, column]) => row * 10 + (column % 10)));
  });

  test("sums of rows beyond 65535, the largest grid of one dimension", async () => {
    const values = normals("many", 65_600 * 3);

    const [sums] = await valuesOf([tf.tidy(() => tf.sum(tf.tensor2d(values, [65_600, 3]), 1))]);

    expect(relativeDifference(sums!, Float64Array.from({ length: 65_600 }, (_, row) => values[3 * row]! + values[3 * row + 1]! + values[3 * row + 2]!))).toBeLessThan(1e-6);
  });
});

import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { runOwnKernel } from "../../../src/backend/own-kernels.ts";
import { adamwStep } from "../../../src/train/adamw.ts";
import { describeOnGpu, normals, relativeDifference } from "./software-gpu.ts";

const OPTIONS = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, learningRate: 0.01 };

describeOnGpu("AdamW on a GPU", () => {
  test.each([[[1]], [[7]], [[4]], [[3, 2, 171]], [[64, 33]]])("three steps in place are those of the plain loop: %j", async (shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const arrays = { parameter: normals("parameter", size), first: new Float32Array(size), second: new Float32Array(size) };
    const tensors = { parameter: tf.tensor(arrays.parameter.slice(), shape), first: tf.zeros(shape), second: tf.zeros(shape) };
    const before = tf.memory().numTensors;

    for (const step of [1, 2, 3]) {
      const gradient = normals(`gradient ${step}`, size);
      const scalars = { ...OPTIONS, gradientScale: 0.3 * step, step };
      adamwStep({ ...arrays, gradient }, scalars);
      const given = tf.tensor(gradient, shape);
      expect(runOwnKernel("AdamW", { ...tensors, gradient: given }, scalars)).toEqual([]);
      given.dispose();
      // Read in between: what tfjs keeps of it must not be the answer after the next step.
      await tensors.parameter.data();
    }

    expect(tf.memory().numTensors).toBe(before);
    for (const name of ["parameter", "first", "second"] as const) expect(relativeDifference(await tensors[name].data(), arrays[name]), name).toBeLessThan(1e-6);
  });

  test("the first step of a parameter has the size of the learning rate, however small the gradient's scale", async () => {
    const tensors = { parameter: tf.tensor1d([1, 1, 1]), gradient: tf.tensor1d([1e-3, -1e3, 0]), first: tf.zeros([3]), second: tf.zeros([3]) };
    runOwnKernel("AdamW", tensors, { ...OPTIONS, weightDecay: 0, gradientScale: 1, step: 1 });

    expect(relativeDifference(await tensors.parameter.data(), [0.99, 1.01, 1])).toBeLessThan(3e-7);
  });
});

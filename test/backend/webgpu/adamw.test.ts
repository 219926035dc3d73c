import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { type AdamWScalars, scalarLists } from "../../../src/backend/adamw-kernel.ts";
import { runOwnKernel } from "../../../src/backend/own-kernels.ts";
import { adamwStep } from "../../../src/train/adamw.ts";
import { describeOnGpu, normals, relativeDifference } from "./software-gpu.ts";

const OPTIONS = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.1, learningRate: 0.01 };
const SHAPES = [[1], [7], [4], [3, 2, 171], [64, 33]];

describeOnGpu("AdamW on a GPU", () => {
  test("three steps of several parameters, each with its own numbers, are those of the plain loop, in place", async () => {
    const parameters = SHAPES.map((shape, i) => {
      const size = shape.reduce((a, b) => a * b, 1);
      const arrays = { parameter: normals(`parameter ${i}`, size), first: new Float32Array(size), second: new Float32Array(size) };
      return { shape, size, arrays, tensors: { parameter: tf.tensor(arrays.parameter.slice(), shape), first: tf.zeros(shape), second: tf.zeros(shape) } };
    });
    const before = tf.memory().numTensors;

    for (const step of [1, 2, 3]) {
      const scalars = parameters.map((_, i): AdamWScalars => ({ ...OPTIONS, weightDecay: i % 2 === 0 ? 0.1 : 0, learningRate: 0.01 * (i + 1), beta2: 0.999 - 0.001 * i, gradientScale: 0.3 * step, step: step + i }));
      const gradients = parameters.map(({ size }, i) => normals(`gradient ${step} ${i}`, size));
      for (const [i, { arrays }] of parameters.entries()) adamwStep({ ...arrays, gradient: gradients[i]! }, scalars[i]!);
      const given = parameters.map(({ shape }, i) => tf.tensor(gradients[i]!, shape));
      expect(runOwnKernel("AdamW", parameters.flatMap(({ tensors: { parameter, first, second } }, i) => [parameter, given[i]!, first, second]), scalarLists(scalars))).toEqual([]);
      tf.dispose(given);
      // Read in between: what tfjs keeps of it must not be the answer after the next step.
      for (const { tensors } of parameters) await tensors.parameter.data();
    }

    expect(tf.memory().numTensors).toBe(before);
    for (const { shape, tensors, arrays } of parameters) for (const name of ["parameter", "first", "second"] as const) expect(relativeDifference(await tensors[name].data(), arrays[name]), `${name} [${shape.join()}]`).toBeLessThan(1e-6);
  });

  test("the first step of a parameter has the size of the learning rate, however small the gradient's scale", async () => {
    const [parameter, gradient, first, second]: [Tensor, Tensor, Tensor, Tensor] = [tf.tensor1d([1, 1, 1]), tf.tensor1d([1e-3, -1e3, 0]), tf.zeros([3]), tf.zeros([3])];
    runOwnKernel("AdamW", [parameter, gradient, first, second], scalarLists([{ ...OPTIONS, weightDecay: 0, gradientScale: 1, step: 1 }]));

    expect(relativeDifference(await parameter.data(), [0.99, 1.01, 1])).toBeLessThan(3e-7);
  });
});

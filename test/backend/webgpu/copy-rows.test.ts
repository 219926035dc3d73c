import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { runOwnKernel } from "../../../src/backend/own-kernels.ts";
import { describeOnGpu, normals } from "./software-gpu.ts";

describeOnGpu("CopyRows on a GPU", () => {
  test.each([1, 3, 4, 260])("the rows named change, the others stay, for rows of %i numbers", async (width) => {
    const [source, target] = [normals("source", 6 * width), normals("target", 8 * width)];
    const [from, to] = [[5, 0, 5], [7, 2, 0]];
    const tensor = tf.tensor(target.slice(), [2, 2, 2, width]);
    await tensor.data();
    expect(runOwnKernel("CopyRows", { source: tf.tensor(source, [3, 2, width]), target: tensor, from: tf.tensor1d(from, "int32"), to: tf.tensor1d(to, "int32") })).toEqual([]);

    for (const [i, row] of to.entries()) target.set(source.slice(from[i]! * width, (from[i]! + 1) * width), row * width);
    expect(await tensor.data()).toEqual(target);
  });

  test("int32 and tiny numbers are copied bit for bit", async () => {
    const integers = [1, 2_147_483_647, -2_147_483_648, 8_388_609];
    const target = tf.zeros([2, 4], "int32");
    runOwnKernel("CopyRows", { source: tf.tensor2d(integers, [1, 4], "int32"), target, from: tf.tensor1d([0], "int32"), to: tf.tensor1d([1], "int32") });
    expect(Array.from(await target.data())).toEqual([0, 0, 0, 0, ...integers]);

    const floats = tf.zeros([1, 2]);
    runOwnKernel("CopyRows", { source: tf.tensor2d([1e-42, -0], [1, 2]), target: floats, from: tf.tensor1d([0], "int32"), to: tf.tensor1d([0], "int32") });
    expect(Array.from(await floats.data())).toEqual([Math.fround(1e-42), -0]);
  });

  test("tensors that do not fit are named", () => {
    const rows = tf.tensor1d([0], "int32");
    expect(() => runOwnKernel("CopyRows", { source: tf.zeros([2, 3]), target: tf.zeros([2, 4]), from: rows, to: rows })).toThrow("CopyRows of int32 [1] from float32 [2,3] to int32 [1] of float32 [2,4]");
  });
});

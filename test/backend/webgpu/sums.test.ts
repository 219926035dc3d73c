import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { runOwnKernel } from "../../../src/backend/own-kernels.ts";
import { uniformContent } from "../../../src/backend/webgpu/queue.ts";
import { gatherRows } from "../../../src/model/rows.ts";
import { describeOnGpu, normals, relativeDifference, useGpu, valuesOf } from "./software-gpu.ts";

/** Rows and columns: fewer and more than a workgroup's, columns in fours and not. */
const SHAPES = [[7], [1, 5], [2, 3, 8], [33, 32], [100, 67], [3, 41, 36], [1000, 4]].map((shape) => [shape] as const);

describeOnGpu("sums on a GPU", () => {
  test.each(SHAPES)("of columns, and the gradients of the norms' weights, are the formula's, in doubles: %j", async (shape) => {
    const width = shape.at(-1)!;
    const size = shape.reduce((product, length) => product * length, 1);
    const rows = size / width;
    const [x, dy, mean, inverse] = [normals("x", size), normals("dy", size), normals("mean", rows), normals("inverse", rows)];
    const given = { x: tf.tensor(x, [...shape]), dy: tf.tensor(dy, [...shape]), mean: tf.tensor(mean, [...shape.slice(0, -1), 1]), inverse: tf.tensor(inverse, [...shape.slice(0, -1), 1]) };

    const [sums] = runOwnKernel("ColumnSums", { x: given.x });
    const [ofRms] = runOwnKernel("RmsNormWeightGrad", { dy: given.dy, x: given.x, inverse: given.inverse });
    const [ofLayer] = runOwnKernel("LayerNormWeightGrad", given);
    expect([sums.shape, ofRms.shape, ofLayer.shape]).toEqual([[width], [width], [width]]);

    const down = (term: (at: number, row: number) => number): Float64Array => Float64Array.from({ length: width }, (_, column) => Array.from({ length: rows }, (_, row) => term(row * width + column, row)).reduce((sum, value) => sum + value, 0));
    const [gotSums, gotRms, gotLayer] = (await valuesOf([sums, ofRms, ofLayer])) as [Float32Array, Float32Array, Float32Array];
    expect(relativeDifference(gotSums, down((at) => x[at]!))).toBeLessThan(2e-6);
    expect(relativeDifference(gotRms, down((at, row) => dy[at]! * x[at]! * inverse[row]!))).toBeLessThan(2e-6);
    expect(relativeDifference(gotLayer, down((at, row) => dy[at]! * (x[at]! - mean[row]!) * inverse[row]!))).toBeLessThan(2e-6);
  });

  test("of rows that were taken never, once, and thousands of times are those of the pairs on the CPU", async () => {
    const [rows, width] = [50, 6];
    // Row 0 is taken 2,000 times, which takes three rounds of sums; the last ten never.
    const index = Int32Array.from({ length: 2100 }, (_, i) => (i % 21 === 20 ? 1 + ((i * 7) % 39) : 0));
    const dy = normals("dy", index.length * width);
    const gradient = async (): Promise<Float32Array> => (await valuesOf([tf.grad((table) => gatherRows(table, index))(tf.tensor(normals("table", rows * width), [rows, width]), tf.tensor(dy, [index.length, width]))]))[0]!;

    const onGpu = await gradient();
    await tf.setBackend("cpu");
    const onCpu = await gradient();
    await useGpu();

    expect(relativeDifference(onGpu, onCpu)).toBeLessThan(2e-6);
    expect(onGpu.subarray(40 * width)).toEqual(new Float32Array(10 * width));
  });

  test("of squares: many tensors, small, large and empty, add up to all their squares", async () => {
    const sizes = [3, 1, 70_000, 5, 0, 4096, 4097, 12, 900, 33];
    const arrays = sizes.map((size, i) => normals(`squares ${i}`, size));
    const [sums] = runOwnKernel("SquareSums", arrays.map((values) => tf.tensor1d(values)));

    const got = (await valuesOf([sums]))[0]!.reduce((sum, value) => sum + value, 0);
    const expected = arrays.flatMap((values) => Array.from(values)).reduce((sum, value) => sum + value ** 2, 0);
    expect(Math.abs(got / expected - 1)).toBeLessThan(1e-6);
  });

  test("of squares: one number that is not finite is seen in the sum, wherever it is", async () => {
    for (const bad of [NaN, Infinity]) {
      for (const place of [0, 8]) {
        const tensors = Array.from({ length: 9 }, (_, i) => tf.tensor1d(i === place ? [1, bad, 2] : [1, 2, 3]));
        const got = (await valuesOf(runOwnKernel("SquareSums", tensors)))[0]!.reduce((sum, value) => sum + value, 0);
        expect(Number.isFinite(got), `${bad} in tensor ${place}`).toBe(false);
      }
    }
  });
});

test("a block of uniforms is laid out as WGSL lays out numbers, vectors, and structs of five or six numbers", () => {
  const i32 = (...data: number[]): { type: "i32"; data: number[] } => ({ type: "i32", data });
  const words = new Int32Array(uniformContent([{ type: "f32", data: [1] }, i32(2, 3), i32(4, 5, 6), i32(7), i32(8, 9, 10, 11, 12), i32(13), i32(14, 15)]));

  // f32 at 0; vec2 at 8; vec3 at 16; i32 right behind it; five numbers at 32, the next member at a multiple of 16 again.
  expect([...words]).toEqual([0x3f800000, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0, 0, 13, 0, 14, 15]);
});

import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { selectBackend } from "../../src/backend/select.ts";
import { EMITTERS } from "../../src/backend/onnxruntime/kernels.ts";
import { rng } from "../../src/core/rng.ts";

beforeAll(async () => {
  await selectBackend("onnxruntime");
});

type Case = readonly [kernel: string, run: (...tensors: tf.Tensor[]) => tf.Tensor | tf.Tensor[], shapes: readonly (readonly number[])[]];

/** Every kernel that has a graph, at shapes that cover broadcasting, axes and transposes. */
const CASES: readonly Case[] = [
  ["Abs", tf.abs, [[2, 3]]],
  ["Add", tf.add, [[2, 3], [3]]],
  ["Add", tf.add, [[2, 1, 3], [4, 1]]],
  ["BatchMatMul", (a, b) => tf.matMul(a, b), [[3, 4], [4, 5]]],
  ["BatchMatMul", (a, b) => tf.matMul(a, b, false, true), [[3, 4], [5, 4]]],
  ["BatchMatMul", (a, b) => tf.matMul(a, b, true, false), [[4, 3], [4, 5]]],
  ["BatchMatMul", (a, b) => tf.matMul(a, b, true, true), [[4, 3], [5, 4]]],
  ["BatchMatMul", (a, b) => tf.matMul(a, b, false, true), [[2, 3, 7, 4], [2, 3, 5, 4]]],
  ["BatchMatMul", (a, b) => tf.matMul(a, b, true, false), [[2, 4, 3], [2, 4, 5]]],
  ["BatchMatMul", (a, b) => tf.matMul(a, b, false, true), [[1, 3, 4], [1, 5, 4]]],
  ["ClipByValue", (x) => tf.clipByValue(x, -0.5, 0.25), [[7]]],
  ["Concat", (a, b) => tf.concat([a, b], 1), [[2, 3, 2], [2, 4, 2]]],
  ["Concat", (a, b) => tf.concat([a, b], -1), [[2, 3], [2, 1]]],
  ["Erf", tf.erf, [[2, 3]]],
  ["Exp", tf.exp, [[5]]],
  ["Log", (x) => tf.log(tf.abs(x)), [[5]]],
  ["Max", (x) => tf.max(x, 1, true), [[3, 4]]],
  ["Max", (x) => tf.max(x), [[3, 4]]],
  ["Maximum", tf.maximum, [[2, 3], [1, 3]]],
  ["Mean", (x) => tf.mean(x, -1, true), [[2, 3, 4]]],
  ["Mean", (x) => tf.mean(x, [0, 1]), [[2, 3, 4]]],
  ["Minimum", tf.minimum, [[2, 3], [3]]],
  ["Multiply", tf.mul, [[2, 3], []]],
  ["Neg", tf.neg, [[3]]],
  ["PadV2", (x) => tf.pad(x, [[1, 0], [0, 2]], 3), [[2, 3]]],
  ["Pow", (a, b) => tf.pow(tf.abs(a), b), [[2, 3], [2, 3]]],
  ["RealDiv", tf.div, [[2, 3], [2, 1]]],
  ["Reciprocal", tf.reciprocal, [[4]]],
  ["Relu", tf.relu, [[4]]],
  ["Rsqrt", (x) => tf.rsqrt(tf.abs(x)), [[4]]],
  ["Sigmoid", tf.sigmoid, [[4]]],
  ["Slice", (x) => tf.slice(x, [0, 1, 2], [2, 2, -1]), [[2, 4, 5]]],
  ["Slice", (x) => tf.slice(x, [0, 0], [2, 3]), [[2, 3]]],
  ["Softmax", (x) => tf.softmax(x, -1), [[2, 3, 9]]],
  ["SplitV", (x) => tf.split(x, 3, 1), [[2, 6]]],
  ["SplitV", (x) => tf.split(x, [1, 4, 1], -1), [[2, 6]]],
  ["Sqrt", (x) => tf.sqrt(tf.abs(x)), [[4]]],
  ["Square", tf.square, [[4]]],
  ["SquaredDifference", tf.squaredDifference, [[2, 3], [3]]],
  ["Sub", tf.sub, [[2, 3], [2, 1]]],
  ["Sum", (x) => tf.sum(x, [0, 2], true), [[2, 3, 4]]],
  ["Sum", (x) => tf.sum(x), [[2, 3, 4]]],
  ["Tanh", tf.tanh, [[4]]],
  ["Transpose", (x) => tf.transpose(x, [2, 0, 1, 3]), [[2, 3, 4, 5]]],
  ["GatherV2", (x) => tf.gather(x, tf.tensor1d([2, 0, 2], "int32")), [[3, 4]]],
];

test("every kernel with a graph equals tfjs's own CPU kernel", async () => {
  const worst: string[] = [];
  for (const [index, [kernel, run, shapes]] of CASES.entries()) {
    const [ours, theirs] = await onBoth(() => run(...randomTensors(index, shapes)));
    expect(ours.map(({ shape }) => shape), kernel).toEqual(theirs.map(({ shape }) => shape));
    ours.forEach(({ values }, output) => {
      const reference = theirs[output]?.values ?? [];
      const difference = Math.max(...values.map((value, i) => Math.abs(value - (reference[i] ?? Number.NaN))));
      // float32, up to 7 summands of size 1: a few units in the last place
      if (!(difference <= 3e-6)) worst.push(`${kernel} case ${index}: ${difference}`);
    });
  }

  expect(worst).toEqual([]);
  expect(CASES.length).toBeGreaterThan(40);
});

test("every kernel with a graph is tried here, apart from those that only relabel memory", () => {
  const tried = new Set(CASES.map(([kernel]) => kernel));

  expect(Object.keys(EMITTERS).filter((kernel) => !tried.has(kernel))).toEqual(["Cast", "ExpandDims", "Identity", "Reshape"]);
});

test("kernels without a graph run in JavaScript on the same memory", () => {
  const found = tf.tidy(() => tf.argMax(tf.add(tf.tensor1d([1, 5, 2]), 1)).dataSync()[0]);

  expect(found).toBe(1);
});

test("numbers that were read are not overwritten by later work", () => {
  const first = tf.add(tf.ones([64]), 1);
  const read = first.dataSync();
  first.dispose();
  for (let i = 0; i < 4; i++) tf.mul(tf.ones([64]), 9).dispose();

  expect([...read]).toEqual(Array.from({ length: 64 }, () => 2));
});

test("a gather outside the table is an error, not a wrong row", () => {
  expect(() => tf.gather(tf.ones([3, 2]), tf.tensor1d([3], "int32"))).toThrow("gather: row 3 of a table of 3 rows");
});

function randomTensors(seed: number, shapes: readonly (readonly number[])[]): tf.Tensor[] {
  const random = rng("kernels", seed);
  return shapes.map((shape) => tf.tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()), [...shape]));
}

async function onBoth(run: () => tf.Tensor | tf.Tensor[]): Promise<[Output[], Output[]]> {
  const results: Output[][] = [];
  for (const name of ["onnxruntime", "cpu"]) {
    await tf.setBackend(name);
    results.push(tf.tidy(() => [run()].flat().map((tensor) => ({ shape: tensor.shape, values: [...tensor.dataSync()] }))));
  }
  await tf.setBackend("onnxruntime");
  return [results[0] ?? [], results[1] ?? []];
}

interface Output {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

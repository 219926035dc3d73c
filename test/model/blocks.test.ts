import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { gelu, swiglu } from "../../src/model/activation.ts";
import { attend } from "../../src/model/attention.ts";
import { maskedCrossEntropy } from "../../src/model/cross-entropy.ts";
import { linear } from "../../src/model/linear.ts";
import { layerNorm, rmsNorm } from "../../src/model/norm.ts";
import { cubicWeights, interpolatePositions } from "../../src/model/positions.ts";
import { pixelShuffle, stackFrames } from "../../src/model/projector.ts";
import { rope, ropeTables } from "../../src/model/rope.ts";
import { gatherRows } from "../../src/model/rows.ts";
import { randomTensor, relativeError, storeOf, useCpuBackend } from "./support.ts";

beforeAll(useCpuBackend);

test("rmsNorm of (3, 4) divides by the root of 12.5", () => {
  expectValues(rmsNorm(tf.tensor2d([[3, 4]]), tf.tensor1d([1, 10]), 0), [0.848528, 11.313708]);
});

test("layerNorm of (1, 3) is (-1, 1) before weight and bias", () => {
  expectValues(layerNorm({ x: tf.tensor2d([[1, 3]]), weight: tf.tensor1d([2, 3]), bias: tf.tensor1d([0.5, -1]), eps: 0 }), [-1.5, 2]);
});

test("gelu is the exact form: gelu(1) is 0.841345, not the 0.841192 of the tanh form", () => {
  expectValues(gelu(tf.tensor1d([-1, 0, 1])), [-0.158655, 0, 0.841345]);
});

test("swiglu gates by silu: silu(1) is 0.731059", () => {
  expectValues(swiglu(tf.tensor1d([1, 0]), tf.tensor1d([2, 5])), [1.462117, 0]);
});

test("rope turns the pair (i, i + H/2) by position times theta^(-2i/H)", () => {
  const tables = ropeTables(Int32Array.of(2), { batchSize: 1, headDim: 4, theta: 100 });

  // Angles 2 and 0.2; pairs (1, 3) and (2, 4).
  const [c0, s0, c1, s1] = [Math.cos(2), Math.sin(2), Math.cos(0.2), Math.sin(0.2)];
  expectValues(rope(tf.tensor4d([1, 2, 3, 4], [1, 1, 1, 4]), tables), [c0 - 3 * s0, 2 * c1 - 4 * s1, s0 + 3 * c0, 2 * s1 + 4 * c1]);
});

test("a score depends on the distance of two positions alone, also near the end of a long context", () => {
  const at = (position: number, x: Tensor): Tensor => rope(x, ropeTables(Int32Array.of(position), { batchSize: 1, headDim: 8, theta: 10000 }));
  const [q, k] = [randomTensor("q", [1, 1, 1, 8]), randomTensor("k", [1, 1, 1, 8])];
  const score = (i: number, j: number): number => tf.sum(tf.mul(at(i, q), at(j, k))).dataSync()[0]!;

  expect(score(32767, 32760)).toBeCloseTo(score(7, 0), 4);
  expect(Math.abs(score(7, 0) - score(8, 0))).toBeGreaterThan(1e-3);
});

test("attention is a weighted mean of the values a query may see, each group of query heads reading its own key head", () => {
  // One key per key head is allowed by the bias, so every output is exactly that key head's value.
  const query = randomTensor("query", [1, 4, 2, 2]);
  const key = randomTensor("key", [1, 2, 2, 2]);
  const value = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 2, 2]);
  const bias = tf.tensor3d([0, -1e9, -1e9, 0], [1, 2, 2]);

  expectValues(attend({ query, key, value, bias }), [1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 5, 6, 7, 8]);
});

test("attention divides scores by the root of the head size: scores 1 and 0 give weights 0.731059 and 0.268941", () => {
  const query = tf.tensor4d([2, 0, 0, 0], [1, 1, 1, 4]);
  const key = tf.tensor4d([1, 0, 0, 0, 0, 1, 0, 0], [1, 1, 2, 4]);
  const value = tf.tensor4d([1, 0, 0, 0, 0, 1, 0, 0], [1, 1, 2, 4]);

  expectValues(attend({ query, key, value }), [0.731059, 0.268941, 0, 0]);
});

test("linear multiplies by the transposed weight and adds bias and adapter only where they exist", () => {
  const weights: [string, Tensor][] = [["w.weight", tf.tensor2d([[1, 2], [3, 4], [5, 6]])]];
  const bias: [string, Tensor] = ["w.bias", tf.tensor1d([10, 20, 30])];
  // B (A x) = B (1 + 2 * 3) for x = (1, 2), scaled by 0.5.
  const adapter: [string, Tensor][] = [["w.lora_A.weight", tf.tensor2d([[1, 3]])], ["w.lora_B.weight", tf.tensor2d([[2], [0], [-2]])], ["w.lora_scale", tf.scalar(0.5)]];
  const x = tf.tensor2d([[1, 2]]);

  expectValues(linear(storeOf(weights), "w", x), [5, 11, 17]);
  expectValues(linear(storeOf([...weights, bias]), "w", x), [15, 31, 47]);
  expectValues(linear(storeOf([...weights, bias, ...adapter]), "w", x), [22, 31, 40]);
});

test("an adapter whose B is zero changes nothing, and its A gets no gradient while its B does", () => {
  const params = storeOf([["w.weight", randomTensor("w", [3, 4])], ["w.lora_A.weight", randomTensor("a", [2, 4])], ["w.lora_B.weight", tf.zeros([3, 2])], ["w.lora_scale", tf.scalar(2)]]);
  const x = randomTensor("x", [5, 4]);

  const [dA, dB] = tf.grads(() => linear(params, "w", x))([params.get("w.lora_A.weight"), params.get("w.lora_B.weight")], randomTensor("dy", [5, 3]));

  expect(relativeError(linear(params, "w", x), tf.matMul(x, params.get("w.weight"), false, true))).toBe(0);
  expect(tf.max(tf.abs(dA!)).arraySync()).toBe(0);
  expect(tf.max(tf.abs(dB!)).arraySync()).toBeGreaterThan(0);
});

test("pixel shuffle v2 goes row by row, v1 column by column, each square's pixels in (row, column, channel) order", () => {
  const x = tf.tensor3d(Array.from({ length: 8 }, (_, i) => i), [1, 8, 1]); // 2 rows of 4 patches
  const options = { grid: [2, 4] as const, side: 2 };

  expectValues(pixelShuffle(x, { ...options, version: "v2" }), [0, 1, 4, 5, 2, 3, 6, 7]);
  const tall = { grid: [4, 4] as const, side: 2 };
  const square = tf.tensor3d(Array.from({ length: 16 }, (_, i) => i), [1, 16, 1]);
  expectValues(pixelShuffle(square, { ...tall, version: "v2" }), [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
  expectValues(pixelShuffle(square, { ...tall, version: "v1" }), [0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15]);
});

test("frames are stacked in time order and the last group is filled up with zeros", () => {
  const stacked = stackFrames(tf.tensor3d([1, 2, 3, 4, 5, 6], [2, 3, 1]), 2);

  expect(stacked.shape).toEqual([4, 2]);
  expectValues(stacked, [1, 2, 3, 0, 4, 5, 6, 0]);
});

test("cubic weights of a doubled grid are PyTorch's: a = -0.75, clamped at the border", () => {
  // Sample 3 lies at 1.25: distances 1.25, 0.25, 0.75, 1.75. Sample 1 at 0.25: its first tap is clamped to position 0.
  const weights = cubicWeights(4, 8);
  const inner = [-0.10546875, 0.87890625, 0.26171875, -0.03515625] as const;

  expectNumbers(weights.subarray(12, 16), inner);
  expectNumbers(weights.subarray(4, 8), [inner[0] + inner[1], inner[2], inner[3], 0]);
  for (let row = 0; row < 8; row++) expect(weights.subarray(row * 4, row * 4 + 4).reduce((a, b) => a + b)).toBeCloseTo(1, 6);
});

test("positions at their stored size are the stored ones", () => {
  const stored = randomTensor("positions", [9, 2]);

  expect(interpolatePositions(stored, [3, 3])).toBe(stored);
  expect(interpolatePositions(stored, [2, 5]).shape).toEqual([10, 2]);
});

test("rows are taken by index", () => {
  expectValues(gatherRows(tf.tensor2d([[1, 2], [3, 4], [5, 6]]), Int32Array.of(2, 0, 2)), [5, 6, 1, 2, 5, 6]);
});

test("the gradient of taken rows is their sum per row, exactly, for any number of repetitions", () => {
  const index = Int32Array.from({ length: 37 }, (_, i) => (i % 4 === 0 ? 3 : i % 3));
  const dy = tf.tensor2d(Array.from({ length: 37 }, (_, i) => [i, -i]));

  const gradient = tf.grad((table: Tensor) => gatherRows(table, index))(tf.zeros([5, 2]), dy);

  const sums = [0, 0, 0, 0, 0];
  for (const [i, row] of index.entries()) sums[row]! += i;
  expect(sums[4]).toBe(0);
  expectValues(gradient, sums.flatMap((sum) => [sum, -sum]));
});

test("cross entropy of equal logits is the log of the vocabulary; ignored rows count nothing", () => {
  const { sum, losses } = maskedCrossEntropy(tf.zeros([3, 5]), Int32Array.of(4, -100, 0));

  expectValues(losses, [Math.log(5), 0, Math.log(5)]);
  expect(sum.arraySync()).toBeCloseTo(2 * Math.log(5), 5);
});

test("cross entropy stays finite and exact for huge logits", () => {
  const logits = tf.tensor2d([[1e4, -1e4], [1e4, -1e4], [1e30, -1e30]]);

  const { losses } = maskedCrossEntropy(logits, Int32Array.of(0, 1, 0));

  expectValues(losses, [0, 2e4, 0]);
  const gradient = tf.grad((x: Tensor) => maskedCrossEntropy(x, Int32Array.of(0, 1, 0)).sum)(logits);
  expectValues(gradient, [0, 0, 1, -1, 0, 0]);
});

function expectValues(actual: Tensor, expected: readonly number[]): void {
  expectNumbers(actual.dataSync(), expected);
}

function expectNumbers(actual: ArrayLike<number>, expected: readonly number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i], `element ${i}`).toBeCloseTo(value, 5);
}

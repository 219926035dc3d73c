import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { gelu, swiglu } from "../../src/model/activation.ts";
import { attend } from "../../src/model/attention.ts";
import { maskedCrossEntropy } from "../../src/model/cross-entropy.ts";
import { layerNorm, rmsNorm } from "../../src/model/norm.ts";
import { rope, ropeTables } from "../../src/model/rope.ts";
import { gatherRows } from "../../src/model/rows.ts";
import { expectGradientsMatchDifferences, randomTensor, useCpuBackend } from "./support.ts";

beforeAll(useCpuBackend);

const BLOCKED = -1e9;

interface Case {
  readonly name: string;
  readonly fn: (...inputs: Tensor[]) => Tensor;
  readonly shapes: readonly (readonly number[])[];
}

const CASES: readonly Case[] = [
  { name: "gelu", fn: (x) => gelu(x), shapes: [[3, 5]] },
  { name: "swiglu", fn: (gate, up) => swiglu(gate, up), shapes: [[3, 5], [3, 5]] },
  { name: "rmsNorm", fn: (x, weight) => rmsNorm(x, weight, 1e-3), shapes: [[4, 6], [6]] },
  { name: "layerNorm", fn: (x, weight, bias) => layerNorm({ x: x, weight: weight, bias: bias, eps: 1e-3 }), shapes: [[4, 6], [6], [6]] },
  { name: "rope", fn: (x) => rope(x, ropeTables(Int32Array.of(0, 3, 1, 7, 2, 5), { batchSize: 2, headDim: 4, theta: 100 })), shapes: [[2, 3, 3, 4]] },
  { name: "attention over everything", fn: (query, key, value) => attend({ query: query, key: key, value: value }), shapes: [[2, 2, 3, 4], [2, 2, 3, 4], [2, 2, 3, 4]] },
  {
    name: "grouped attention with a bias and a past",
    fn: (query, key, value) => attend({ query: query, key: key, value: value, bias: causalBias(2, 3, 5) }),
    shapes: [[2, 4, 3, 2], [2, 2, 5, 2], [2, 2, 5, 2]],
  },
  { name: "gatherRows with rows taken 0, 1, 2 and 5 times", fn: (table) => gatherRows(table, Int32Array.of(2, 0, 4, 2, 4, 4, 4, 4)), shapes: [[6, 3]] },
  { name: "cross entropy", fn: (logits) => maskedCrossEntropy(logits, Int32Array.of(3, -100, 0, 6)).losses, shapes: [[4, 7]] },
];

test.each(CASES)("the gradient of $name equals finite differences", ({ name, fn, shapes }) => {
  const inputs = shapes.map((shape, i) => randomTensor(`${name} ${i}`, shape));

  expectGradientsMatchDifferences(fn, inputs);
});

test("the summed cross entropy passes its gradient to every counted row", () => {
  const logits = randomTensor("sum", [3, 4]);

  const gradient = tf.grad((x: Tensor) => maskedCrossEntropy(x, Int32Array.of(1, -100, 2)).sum)(logits);

  const expected = tf.sub(tf.softmax(logits), tf.oneHot([1, 0, 2], 4)).arraySync() as number[][];
  const rows = gradient.arraySync() as number[][];
  expect(rows[1]).toEqual([0, 0, 0, 0]);
  for (const row of [0, 2]) for (let v = 0; v < 4; v++) expect(rows[row]![v]).toBeCloseTo(expected[row]![v]!, 6);
});

/** Query s may look at keys up to s + (keys - queries). */
function causalBias(batchSize: number, queries: number, keys: number): Tensor {
  const row = (s: number): number[] => Array.from({ length: keys }, (_, l) => (l <= s + keys - queries ? 0 : BLOCKED));
  return tf.tensor3d(Array.from({ length: batchSize }, () => Array.from({ length: queries }, (_, s) => row(s))));
}

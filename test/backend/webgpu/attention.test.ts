import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { fusedAttention, seenUntilMask } from "../../../src/model/fused-attention.ts";
import { rng } from "../../../src/core/rng.ts";
import { describeOnGpu, normals, relativeDifference, valuesOf } from "./software-gpu.ts";

interface Case {
  readonly what: string;
  readonly batch: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly queries: number;
  /** As many as queries, in a tree. */
  readonly keys: number;
  readonly headDim: number;
  readonly isTree: boolean;
}

const tree = (what: string, batch: number, [heads, keyHeads]: readonly [number, number], length: number, headDim: number): Case => ({ what, batch, heads, keyHeads, queries: length, keys: length, headDim, isTree: true });

/** Shaders compile once for a head size, with and without a tree. An own tile is 16, 32 or 64 rows, the other side's 32. */
const CASES: readonly Case[] = [
  tree("a single position", 1, [1, 1], 1, 8),
  tree("less than a tile", 1, [2, 1], 13, 8),
  tree("whole tiles", 2, [2, 2], 128, 8),
  tree("several tiles, the last one short, grouped heads", 2, [6, 2], 150, 8),
  tree("a large head of an odd size", 2, [3, 1], 100, 67),
  { what: "everything seen", batch: 2, heads: 4, keyHeads: 4, queries: 67, keys: 67, headDim: 8, isTree: false },
  { what: "everything seen, more keys than queries", batch: 2, heads: 4, keyHeads: 2, queries: 35, keys: 99, headDim: 8, isTree: false },
  { what: "everything seen, fewer keys than queries", batch: 1, heads: 1, keyHeads: 1, queries: 99, keys: 2, headDim: 8, isTree: false },
  { what: "everything seen by a large head", batch: 1, heads: 2, keyHeads: 1, queries: 40, keys: 65, headDim: 72, isTree: false },
];

describeOnGpu("attention on a GPU", () => {
  test.each(CASES)("$what: output and gradients are the formula's, in doubles", async (given) => {
    const { batch, heads, keyHeads, queries, keys, headDim } = given;
    const seen = given.isTree ? forest(given) : undefined;
    const shapes = { query: [batch, queries, heads, headDim], key: [batch, keys, keyHeads, headDim], value: [batch, keys, keyHeads, headDim], dy: [batch, queries, heads, headDim] };
    const numbers = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, normals(`${given.what} ${name}`, shape.reduce((product, size) => product * size, 1))])) as Record<keyof typeof shapes, Float32Array>;
    const expected = reference(given, numbers, seen);
    const [query, key, value, dy] = (["query", "key", "value", "dy"] as const).map((name) => tf.tensor(numbers[name], shapes[name])) as [Tensor, Tensor, Tensor, Tensor];

    const mask = seen && seenUntilMask({ seenUntil: seen, batchSize: batch, length: keys });
    const attend = (...[q, k, v]: Tensor[]): Tensor => fusedAttention({ query: q!, key: k!, value: v!, seenUntil: mask?.seenUntil });
    const [output, ...gradients] = await valuesOf([tf.tidy(() => attend(query, key, value)), ...tf.grads(attend)([query, key, value], dy)]);

    expect(relativeDifference(output!, expected.output)).toBeLessThan(1e-5);
    for (const [i, name] of (["dQuery", "dKey", "dValue"] as const).entries()) {
      // The only key of a query has weight 1, whatever its score.
      if (largest(expected[name]) > 1e-9) expect(relativeDifference(gradients[i]!, expected[name]), name).toBeLessThan(1e-5);
      else expect(largest(gradients[i]!), name).toBeLessThan(1e-6);
    }
  });

  test("scores of hundreds overflow nothing: a query looks at its best key alone", async () => {
    const q = tf.mul(tf.tensor(normals("large q", 40 * 8), [1, 40, 1, 8]), 100);
    const v = tf.tensor(normals("large v", 40 * 8), [1, 40, 1, 8]);

    const [output, ...gradients] = await valuesOf([tf.tidy(() => fusedAttention({ query: q, key: q, value: v })), ...tf.grads((...[a, b, c]: Tensor[]) => fusedAttention({ query: a!, key: b!, value: c! }))([q, q, v], tf.onesLike(q))]);

    const expected = reference(
      { batch: 1, heads: 1, keyHeads: 1, queries: 40, keys: 40, headDim: 8 },
      { query: await numbersOf(q), key: await numbersOf(q), value: await numbersOf(v), dy: new Float32Array(320).fill(1) },
      undefined,
    );
    expect(relativeDifference(output!, expected.output)).toBeLessThan(1e-3);
    expect(gradients.flatMap((numbers) => [...numbers]).every(Number.isFinite)).toBe(true);
  });

  test("heads too large for the workgroup memory are refused with both sizes", () => {
    const heads = tf.zeros([1, 2, 1, 1024]);

    expect(() => tf.tidy(() => fusedAttention({ query: heads, key: heads, value: heads }))).toThrow(/attention heads of 1024 numbers do not fit this GPU's workgroup memory\. Got \d+ bytes, expected at least 164864\.\n {2}Use --backend onnxruntime/);
  });
});

async function numbersOf(tensor: Tensor): Promise<Float32Array> {
  return Float32Array.from(await tensor.data());
}

/** Trees that follow one another, branches within them, and padding behind: `seenUntil` of every position. */
function forest({ what, batch, keys }: Case): Int32Array {
  const until = new Int32Array(batch * keys);
  for (let row = 0; row < batch; row++) {
    const draw = rng("forest", what, row);
    const own = until.subarray(row * keys, (row + 1) * keys);
    own.forEach((_, position) => (own[position] = position + 1));
    for (let start = 0; start < keys - 5; ) {
      const end = Math.min(keys - 5, start + 8 + draw.integer(60));
      const prefix = Math.min(end, start + 1 + draw.integer(12));
      own.fill(end, start, prefix);
      for (let branch = prefix; branch < end; ) {
        const branchEnd = Math.min(end, branch + 1 + draw.integer(20));
        own.fill(branchEnd, branch, branchEnd);
        branch = branchEnd;
      }
      start = end;
    }
  }
  return until;
}

interface Reference {
  readonly output: Float64Array;
  readonly dQuery: Float64Array;
  readonly dKey: Float64Array;
  readonly dValue: Float64Array;
}

/** Softmax attention and its gradients, one query after another. */
function reference({ batch, heads, keyHeads, queries, keys, headDim }: Omit<Case, "what" | "isTree">, given: Readonly<Record<"query" | "key" | "value" | "dy", Float32Array>>, seen: Int32Array | undefined): Reference {
  const [output, dQuery] = [new Float64Array(given.query.length), new Float64Array(given.query.length)];
  const [dKey, dValue] = [new Float64Array(given.key.length), new Float64Array(given.key.length)];
  const scale = 1 / Math.sqrt(headDim);
  for (let row = 0; row < batch * queries; row++) {
    const [first, query] = [Math.floor(row / queries) * keys, row % queries];
    const visible = Array.from({ length: keys }, (_, key) => key).filter((key) => seen === undefined || (key <= query && query < seen[first + key]!));
    for (let head = 0; head < heads; head++) {
      const at = (row * heads + head) * headDim;
      const dot = (a: ArrayLike<number>, from: number, b: ArrayLike<number>, start: number): number => {
        let sum = 0;
        for (let h = 0; h < headDim; h++) sum += a[from + h]! * b[start + h]!;
        return sum;
      };
      const rowOf = (key: number): number => ((first + key) * keyHeads + Math.floor(head / (heads / keyHeads))) * headDim;
      const scores = visible.map((key) => scale * dot(given.query, at, given.key, rowOf(key)));
      const top = Math.max(...scores);
      const exponentials = scores.map((score) => Math.exp(score - top));
      const sum = exponentials.reduce((all, each) => all + each, 0);
      const weights = exponentials.map((each) => each / sum);
      for (const [i, key] of visible.entries()) for (let h = 0; h < headDim; h++) output[at + h]! += weights[i]! * given.value[rowOf(key) + h]!;
      const mean = dot(given.dy, at, output, at);
      for (const [i, key] of visible.entries()) {
        const change = weights[i]! * (dot(given.dy, at, given.value, rowOf(key)) - mean);
        for (let h = 0; h < headDim; h++) {
          dQuery[at + h]! += scale * change * given.key[rowOf(key) + h]!;
          dKey[rowOf(key) + h]! += scale * change * given.query[at + h]!;
          dValue[rowOf(key) + h]! += weights[i]! * given.dy[at + h]!;
        }
      }
    }
  }
  return { output, dQuery, dKey, dValue };
}

function largest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

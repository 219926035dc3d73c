import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { buildBatch, type Batch } from "../../src/curriculum/batch.ts";
import { buildRow, type Tree } from "../../src/curriculum/row.ts";
import { treeBias } from "../../src/curriculum/tree-mask.ts";
import { attend } from "../../src/model/attention.ts";
import { pairsOf, tilesOf, type Tiling, treeMask } from "../../src/model/attention-tiles.ts";
import { runBlock } from "../../src/model/block.ts";
import { ParamStore } from "../../src/model/params.ts";
import { segment } from "../curriculum/toy-samples.ts";
import { expectGradientsMatchDifferences, randomTensor, useBackend } from "./support.ts";

const N = 4;
const K = 2;
const H = 6;
/** Chunks of four queries: every case has several tiles. */
const CHUNK = 4;

/** A prefix of the first length with the others as branches under it, the last of them under the one before. */
function tree(...lengths: readonly number[]): Tree {
  return lengths.map((length, i) => ({ segment: segment(Array<number>(length).fill(7)), parent: i === 0 ? -1 : i > 1 && i === lengths.length - 1 ? i - 1 : 0 }));
}

function batchOf(rows: readonly (readonly Tree[])[], length: number): Batch {
  return buildBatch(rows.map((trees) => buildRow(trees, length)), { videoTokens: 0, audioTokens: 0 });
}

const CASES: readonly { name: string; batch: Batch; lookback: number }[] = [
  { name: "several trees with branches in two rows, and padding", batch: batchOf([[tree(2, 2, 1), tree(3, 1), tree(1, 1, 2)], [tree(4, 2, 2, 1), tree(5)]], 20), lookback: 2 },
  { name: "one tree as long as the row", batch: batchOf([[tree(9, 5, 6)]], 20), lookback: 4 },
  { name: "a row that is not a multiple of a chunk", batch: batchOf([[tree(3, 3), tree(4, 2, 2)], [tree(6, 5, 3)]], 15), lookback: 3 },
  { name: "a look back of three chunks, rounded up to four", batch: batchOf([[tree(7, 6), tree(3, 3), tree(2, 4)]], 28), lookback: 4 },
  { name: "trees that end with their chunks", batch: batchOf([[tree(2, 2), tree(4), tree(1, 2, 1)]], 12), lookback: 0 },
  { name: "a row of one position", batch: batchOf([[tree(1)]], 1), lookback: 0 },
  { name: "padding alone", batch: batchOf([[tree(1)], []], 9), lookback: 0 },
];

describe.each(["cpu", "onnxruntime"])("on %s", (backend) => {
  beforeAll(() => useBackend(backend));

  test.each(CASES)("tiles equal the whole matrix, in value and gradients: $name", ({ batch, lookback }) => {
    const mask = treeMask(batch, CHUNK);
    const whole = tf.tensor3d(treeBias(batch.rows, batch.length), [batch.batchSize, batch.length, batch.length]);

    const [tiled, dense] = [attention(batch, mask), attention(batch, { bias: whole })];

    expect(mask.tiling).toEqual({ chunk: CHUNK, lookback });
    // Sums of up to twenty numbers about one, in another order.
    for (const [name, expected] of Object.entries(dense)) expect(largest(tf.sub(tiled[name]!, expected)), name).toBeLessThan(5e-6);
    for (const name of ["output", "dValue"]) expect(largest(dense[name]!), name).toBeGreaterThan(1);
  });
});

describe("in tiles", () => {
  beforeAll(() => useBackend("cpu"));

  test("the gradient equals finite differences", () => {
    const batch = batchOf([[tree(2, 2, 1), tree(2, 1)], [tree(3, 2, 3)]], 9);
    const { bias, tiling } = treeMask(batch, 3);
    const shape = (heads: number): number[] => [2, heads, 9, 2];

    expect(tilesOf(9, tiling)).toHaveLength(3);
    expectGradientsMatchDifferences((query, key, value) => attend({ query, key, value, bias, tiling }), [randomTensor("q", shape(2)), randomTensor("k", shape(1)), randomTensor("v", shape(1))]);
  });

  test("a bias of another tiling and keys of a past are refused", () => {
    const batch = batchOf([[tree(6, 3)]], 9);
    const [query, key, value] = [randomTensor("q", [1, 2, 9, 2]), randomTensor("k", [1, 1, 9, 2]), randomTensor("v", [1, 1, 9, 2])];

    expect(() => attend({ query, key, value, bias: treeMask(batch, 3).bias, tiling: { chunk: 3, lookback: 1 } })).toThrow("attend: a bias [1,54] for tiles of 45 pairs");
    expect(() => attend({ query: tf.slice(query, [0, 0, 6, 0]), key, value, ...treeMask(batch, 3) })).toThrow("attend: 3 queries and 9 keys in tiles");
  });
});

test("the work grows with the trees, not with the row: pairs by hand", () => {
  const short = batchOf([Array.from({ length: 8 }, () => tree(5, 3))], 64);
  const long = batchOf([Array.from({ length: 16 }, () => tree(5, 3))], 128);

  const pairs = [short, long].map((batch) => pairsOf(tilesOf(batch.length, treeMask(batch, 4).tiling)));

  // Trees of eight in chunks of four look back one chunk; the first chunk has none before it.
  expect(pairs).toEqual([16 * 32 - 16, 32 * 32 - 16]);
});

test("a whole row costs its lower triangle of chunks", () => {
  const batch = batchOf([[tree(12, 4)]], 16);

  const { bias, tiling } = treeMask(batch, 4);

  expect(tilesOf(16, tiling).map(({ start, end, firstKey, endKey }) => [start, end, firstKey, endKey])).toEqual([[0, 4, 0, 4], [4, 8, 0, 8], [8, 12, 0, 12], [12, 16, 0, 16]]);
  expect(bias.shape).toEqual([1, 4 * (4 + 8 + 12 + 16)]);
});

interface Mask {
  readonly bias: Tensor;
  readonly tiling?: Tiling;
}

/** Output and gradients of attention over random numbers, as one block: compiled where the backend compiles. */
function attention(batch: Batch, mask: Mask): Record<string, Tensor> {
  const { batchSize, length } = batch;
  const x = randomTensor("qkv", [batchSize, N + 2 * K, length, H]);
  const run = (input: Tensor): Tensor => {
    const [output] = runBlock({
      name: `attention-test/${mask.tiling?.chunk}/${mask.tiling?.lookback}`,
      params: new ParamStore(),
      inputs: { x: input, bias: mask.bias },
      fn: (_, own) => {
        const [query, key, value] = tf.split(own.x, [N, K, K], 1);
        return [attend({ query: query!, key: key!, value: value!, bias: own.bias, tiling: mask.tiling })];
      },
    });
    return output!;
  };
  const [dQuery, dKey, dValue] = tf.split(tf.grad(run)(x, randomTensor("dy", [batchSize, N, length, H])), [N, K, K], 1);
  return { output: run(x), dQuery: dQuery!, dKey: dKey!, dValue: dValue! };
}

function largest(x: Tensor): number {
  return x.dataSync<"float32">().reduce((most, value) => Math.max(most, Number.isNaN(value) ? Infinity : Math.abs(value)), 0);
}

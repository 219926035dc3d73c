import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { buildBatch } from "../../src/curriculum/batch.ts";
import { buildRow, type Tree } from "../../src/curriculum/row.ts";
import { treeBias } from "../../src/curriculum/tree-mask.ts";
import { treeMask } from "../../src/model/attention-tiles.ts";
import { batchStates } from "../../src/model/batch-states.ts";
import { embedBatch, hiddenStates } from "../../src/model/emoverse.ts";
import { segment } from "../curriculum/toy-samples.ts";
import { relativeError } from "./support.ts";
import { toyConfig, toyStore } from "./toy-model.ts";

/** Different tokens: a prefix and two branches. */
function tree(seed: number, [prefix, ...branches]: readonly [number, ...number[]]): Tree {
  const ids = (length: number): number[] => Array.from({ length }, (_, i) => 1 + ((seed + 7 * i + length) % 30));
  return [{ segment: segment(ids(prefix)), parent: -1 }, ...branches.map((length) => ({ segment: segment(ids(length)), parent: 0 }))];
}

test("rows of several chunks: the states are those under the whole tree mask, and those of each tree alone", async () => {
  const params = await toyStore();
  const trees = [tree(1, [50, 20, 18]), tree(2, [30, 9]), tree(3, [40, 10, 11])];
  const length = 200;
  const batch = buildBatch([buildRow(trees, length), buildRow([tree(4, [100, 60])], length)], { videoTokens: 0, audioTokens: 0 });
  const embeds_BSD = embedBatch(params, toyConfig, batch, {});
  const bias_BSL = tf.tensor3d(treeBias(batch.rows, length), [2, length, length]);

  const states = batchStates(params, toyConfig, { batch, media: {} });

  expect(treeMask(batch).tiling).toEqual({ chunk: 64, lookback: 2 });
  expect(relativeError(states, hiddenStates(params, toyConfig, { embeds_BSD, positionIds: batch.positionIds, bias_BSL }))).toBeLessThan(2e-6);
  let first = 0;
  for (const one of trees) {
    const tokens = one.reduce((sum, node) => sum + node.segment.inputIds.length, 0);
    const alone = batchStates(params, toyConfig, { batch: buildBatch([buildRow([one], tokens)], { videoTokens: 0, audioTokens: 0 }), media: {} });
    expect(relativeError(tf.slice(states, [first, 0], [tokens, -1]), alone)).toBeLessThan(5e-6);
    first += tokens;
  }
  expect(first).toBe(188);
});

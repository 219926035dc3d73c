/** @file Greedy generation as the fixtures did it: prompts padded on the left, one forward pass a token over the cache. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { decodeWithCache, type LayerCache } from "../../src/model/decoder.ts";
import { logitsAt, PARTS } from "../../src/model/emoverse.ts";
import { causalBias, embed, type ChatModel } from "./chat-model.ts";

export interface Prompts {
  readonly ids: Int32Array;
  /** [B, S], 0 where a row is padded. */
  readonly mask: Int32Array;
  readonly tiles: readonly number[];
  readonly batchSize: number;
  readonly newTokens: number;
}

/** Tokens [B][T], and the logits [B, T, V] each was taken from. */
export function generateBatch(model: ChatModel, { ids, mask, tiles, batchSize, newTokens }: Prompts): { tokens: number[][]; logits: Tensor } {
  const { params, config } = model;
  const tokens: number[][] = Array.from({ length: batchSize }, () => []);
  const logits: Tensor[] = [];
  const masks = rowsOf(mask, batchSize);
  let past: LayerCache[] | undefined;
  let embeds_BSD = embed(model, ids, { batchSize, tiles });
  let positionIds = Int32Array.from(masks.flatMap(countedPositions));
  for (let step = 0; step < newTokens; step++) {
    const queries = positionIds.length / batchSize;
    const bias_BSL = causalBias(masks.flat(), { batchSize, queries });
    const decoded = decodeWithCache(params.scope(PARTS.decoder), config.llm_config, { embeds_BSD, positionIds, bias_BSL, ...(past === undefined ? {} : { past }) });
    const lastRows = Int32Array.from({ length: batchSize }, (_, row) => row * queries + queries - 1);
    const stepLogits = logitsAt(params, config, tf.reshape(decoded.hidden_BSD, [batchSize * queries, -1]), lastRows);
    const chosen = Int32Array.from(tf.argMax(stepLogits, 1).dataSync());
    logits.push(stepLogits);
    chosen.forEach((token, row) => tokens[row]?.push(token));
    past = past === undefined ? decoded.fresh : joined(past, decoded.fresh);
    embeds_BSD = embed(model, chosen, { batchSize, tiles: [] });
    for (const row of masks) row.push(1);
    positionIds = Int32Array.from(masks, (row) => row.reduce((a, b) => a + b, 0) - 1);
  }
  return { tokens, logits: tf.stack(logits, 1) };
}

/** cumsum(mask) - 1, and 1 where a row is padded. */
function countedPositions(mask: readonly number[]): number[] {
  let seen = 0;
  return mask.map((one) => (one === 1 ? seen++ : 1));
}

function rowsOf(values: Int32Array, rows: number): number[][] {
  const size = values.length / rows;
  return Array.from({ length: rows }, (_, row) => [...values.subarray(row * size, (row + 1) * size)]);
}

/** Past and new keys and values in one. */
function joined(past: readonly LayerCache[], fresh: readonly LayerCache[]): LayerCache[] {
  return past.map(({ key, value }, layer) => {
    const own = fresh[layer];
    if (own === undefined) throw new Error(`no new keys for layer ${layer}`);
    return { key: tf.concat([key, own.key], 2), value: tf.concat([value, own.value], 2) };
  });
}

/**
 * @file Scaled dot-product attention with grouped key/value heads, tile by tile.
 * Shapes: B batch row, S queries, L keys, N query heads, K key/value heads, H head size; of a tile: Q queries, W keys.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { invariant } from "../core/errors.ts";
import { pairsOf, type Tile, tilesOf, type Tiling } from "./attention-tiles.ts";
import { differentiable } from "./custom-grad.ts";
import { fusedAttention, offersFusedAttention } from "./fused-attention.ts";

export interface AttentionInputs {
  /** [B, N, S, H]; query head n reads key head floor(n / (N / K)). */
  readonly query: Tensor;
  /** [B, K, L, H] */
  readonly key: Tensor;
  /** [B, K, L, H] */
  readonly value: Tensor;
  /** [B, S, L], added to the scores of every head: 0 where a query may look, -1e9 where not. Absent: everywhere. A constant. */
  readonly bias?: Tensor;
  /** Given: `bias` is that of a `TiledBias`, queries and keys are the same positions, and pairs outside the tiles do not see each other. */
  readonly tiling?: Tiling | undefined;
}

/**
 * softmax(query key^T / sqrt(H) + bias) value as [B, N, S, H].
 *
 * The query heads of a group are folded into the rows, so that keys and values are never repeated.
 */
export function attend({ query, key, value, bias, tiling }: AttentionInputs): Tensor {
  const [, , length = 0, headDim = 0] = query.shape;
  const [, , numKeys = 0] = key.shape;
  invariant(tiling === undefined || numKeys === length, () => `attend: ${length} queries and ${numKeys} keys in tiles`);
  const tiles = tiling === undefined ? [{ start: 0, end: length, firstKey: 0, endKey: numKeys }] : tilesOf(length, tiling);
  const biases = bias === undefined ? undefined : cutBias(bias, tiles);
  const scale = 1 / Math.sqrt(headDim);
  return differentiable({
    inputs: [query, key, value],
    forward: () => {
      const scaled = tf.mul(query, tf.scalar(scale));
      const weights = tiles.map((tile, i) => tileWeights({ scaled, key, bias: biases?.[i] }, tile));
      const outputs = tiles.map((tile, i) => unfolded(tf.matMul(pick(weights, i), keysOf(value, tile)), query));
      const output = joined(outputs);
      return { value: output, saved: [scaled, key, value, output, ...weights] };
    },
    backward: (dy, [scaled, key, value, output, ...weights]) => {
      const saved = { scaled, key, dy, ...withRowSums({ dy, output, value }) };
      const parts = tiles.map((tile, i) => tileGradients(saved, pick(weights, i), tile)).map((part) => (tiles.length === 1 ? part : together(part)));
      const dQuery = tf.mul(joined(parts.map(({ dQuery }) => unfolded(dQuery, query))), tf.scalar(scale));
      return [dQuery, sumOfWindows(parts.map(({ dKey }) => dKey), tiles), sumOfWindows(parts.map(({ dValue }) => dValue), tiles)];
    },
  });
}

/** [B, K, N/K * Q, W] attention weights of a tile. */
function tileWeights({ scaled, key, bias }: { scaled: Tensor; key: Tensor; bias: Tensor | undefined }, tile: Tile): Tensor {
  const [batchSize = 0, numHeads = 0] = scaled.shape;
  const scores = tf.matMul(folded(queriesOf(scaled, tile), key), keysOf(key, tile), false, true);
  if (bias === undefined) return tf.softmax(scores);
  const perHead = tf.reshape(scores, [batchSize, numHeads, tile.end - tile.start, tile.endKey - tile.firstKey]);
  return tf.reshape(tf.softmax(tf.add(perHead, bias)), scores.shape);
}

interface Saved {
  readonly scaled: Tensor;
  readonly key: Tensor;
  readonly dy: Tensor;
  readonly dyAndSum: Tensor;
  readonly valueAndMinusOne: Tensor;
}

/**
 * [dy, sum(dy output)] and [value, -1], whose product is dWeights less its weighted mean: sum(weights dWeights) equals
 * sum(dy output), and one column more in a product is cheaper than a pass over the scores.
 */
function withRowSums({ dy, output, value }: { dy: Tensor; output: Tensor; value: Tensor }): Pick<Saved, "dyAndSum" | "valueAndMinusOne"> {
  return {
    dyAndSum: tf.concat([dy, tf.sum(tf.mul(dy, output), -1, true)], -1),
    valueAndMinusOne: tf.concat([value, tf.fill([...value.shape.slice(0, -1), 1], -1)], -1),
  };
}

interface TileGradients {
  /** [B, K, N/K * Q, H], of the scaled scores. */
  readonly dQuery: Tensor;
  /** [B, K, W, H] */
  readonly dKey: Tensor;
  readonly dValue: Tensor;
}

function tileGradients({ scaled, key, dy, dyAndSum, valueAndMinusOne }: Saved, weights: Tensor, tile: Tile): TileGradients {
  const dScores = tf.mul(weights, tf.matMul(folded(queriesOf(dyAndSum, tile), key), keysOf(valueAndMinusOne, tile), false, true));
  const dQuery = tf.matMul(dScores, keysOf(key, tile));
  const dKey = tf.matMul(dScores, folded(queriesOf(scaled, tile), key), true, false);
  const dValue = tf.matMul(weights, folded(queriesOf(dy, tile), key), true, false);
  return { dQuery, dKey, dValue };
}

/**
 * The same three, cut from one tensor. Who needs one of them waits for all: a compiled graph is ordered from its results
 * backwards and would else compute every tile's dQuery first, holding all score gradients, cold, until the first dKey.
 */
function together({ dQuery, dKey, dValue }: TileGradients): TileGradients {
  const [rows = 0, keys = 0] = [dQuery.shape[2], dKey.shape[2]];
  const all = tf.concat([dQuery, dKey, dValue], 2);
  return { dQuery: between(all, 0, rows), dKey: between(all, rows, rows + keys), dValue: between(all, rows + keys, rows + 2 * keys) };
}

/** Gradients of the keys of overlapping tiles, added up from the last to the first: [B, K, L, H]. */
function sumOfWindows(windows: readonly Tensor[], tiles: readonly Tile[]): Tensor {
  const finished: Tensor[] = [];
  let open: { sum: Tensor; firstKey: number } | undefined;
  for (const [i, { firstKey, endKey }] of [...tiles.entries()].reverse()) {
    let sum = pick(windows, i);
    if (open !== undefined) {
      const shared = endKey - open.firstKey;
      finished.unshift(between(open.sum, shared, open.sum.shape[2] ?? 0));
      if (shared > 0) sum = addedAt(sum, between(open.sum, 0, shared), open.firstKey - firstKey);
    }
    open = { sum, firstKey };
  }
  return joined(open === undefined ? finished : [open.sum, ...finished]);
}

/** `x` with `added` on its last positions, from `first` on. */
function addedAt(x: Tensor, added: Tensor, first: number): Tensor {
  const length = x.shape[2] ?? 0;
  const sum = tf.add(between(x, first, length), added);
  return first === 0 ? sum : tf.concat([between(x, 0, first), sum], 2);
}

/** The bias of every tile, [B, 1, Q, W]. */
function cutBias(bias: Tensor, tiles: readonly Tile[]): Tensor[] {
  const [batchSize = 0] = bias.shape;
  invariant(bias.size === batchSize * pairsOf(tiles), () => `attend: a bias [${bias.shape.join()}] for tiles of ${pairsOf(tiles)} pairs`);
  const flat = tf.reshape(bias, [batchSize, pairsOf(tiles)]);
  let first = 0;
  return tiles.map((tile) => {
    const pairs = pairsOf([tile]);
    const own = tiles.length === 1 ? flat : tf.slice(flat, [0, first], [batchSize, pairs]);
    first += pairs;
    return tf.reshape(own, [batchSize, 1, tile.end - tile.start, tile.endKey - tile.firstKey]);
  });
}

function queriesOf(x: Tensor, { start, end }: Tile): Tensor {
  return between(x, start, end);
}

function keysOf(x: Tensor, { firstKey, endKey }: Tile): Tensor {
  return between(x, firstKey, endKey);
}

/** Positions [first, end) of [B, heads, positions, width]. */
function between(x: Tensor, first: number, end: number): Tensor {
  const [batchSize = 0, heads = 0, length = 0, width = 0] = x.shape;
  return first === 0 && end === length ? x : tf.slice(x, [0, 0, first, 0], [batchSize, heads, end - first, width]);
}

function joined(parts: Tensor[]): Tensor {
  return parts.length === 1 ? pick(parts, 0) : tf.concat(parts, 2);
}

/** [B, N, Q, width] as [B, K, N/K * Q, width], K as in `key`. */
function folded(x: Tensor, key: Tensor): Tensor {
  const [batchSize = 0, numHeads = 0, length = 0, width = 0] = x.shape;
  const [, numKvHeads = 1] = key.shape;
  return tf.reshape(x, [batchSize, numKvHeads, (numHeads / numKvHeads) * length, width]);
}

/** [B, K, N/K * Q, H] as [B, N, Q, H], N as in `query`. */
function unfolded(x: Tensor, query: Tensor): Tensor {
  const [batchSize = 0, numHeads = 0, , headDim = 0] = query.shape;
  return tf.reshape(x, [batchSize, numHeads, -1, headDim]);
}

function pick(list: readonly Tensor[], index: number): Tensor {
  const tensor = list[index];
  invariant(tensor !== undefined, () => `tile ${index} of ${list.length}`);
  return tensor;
}

/** Every position to every position of its batch row, for rows [B * S, N * H] as linear layers give them; so is the result. */
export function attendRows({ query, key, value }: Pick<AttentionInputs, "query" | "key" | "value">, shape: { batchSize: number; numHeads: number }): Tensor {
  if (offersFusedAttention()) return mergedRows(fusedAttention({ query: headRows(query, shape), key: headRows(key, shape), value: headRows(value, shape) }));
  return mergeHeads(attend({ query: splitHeads(query, shape), key: splitHeads(key, shape), value: splitHeads(value, shape) }));
}

/** [B * S, N * H] as [B, S, N, H]. */
export function headRows(x: Tensor, { batchSize, numHeads }: { batchSize: number; numHeads: number }): Tensor {
  const [rows = 0, width = 0] = x.shape;
  return tf.reshape(x, [batchSize, rows / batchSize, numHeads, width / numHeads]);
}

/** [B, S, N, H] as [B * S, N * H]. */
export function mergedRows(x: Tensor): Tensor {
  const [batchSize = 0, length = 0, numHeads = 0, headDim = 0] = x.shape;
  return tf.reshape(x, [batchSize * length, numHeads * headDim]);
}

/** [B * S, N * H] as [B, N, S, H]. */
export function splitHeads(x: Tensor, shape: { batchSize: number; numHeads: number }): Tensor {
  const [rows = 0, width = 0] = x.shape;
  const { batchSize, numHeads } = shape;
  return tf.transpose(tf.reshape(x, [batchSize, rows / batchSize, numHeads, width / numHeads]), [0, 2, 1, 3]);
}

/** [B, N, S, H] as [B * S, N * H]. */
export function mergeHeads(x: Tensor): Tensor {
  const [batchSize = 0, numHeads = 0, length = 0, headDim = 0] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batchSize * length, numHeads * headDim]);
}

/**
 * @file Attention of new positions over a cache and over each other. The cache is only read: joined to the new keys, all
 * of it would be copied in every layer for every token.
 * Shapes: B batch row, S new positions, P cached positions, N query heads, K key/value heads, H head size.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";

export interface CachedAttentionInputs {
  /** [B, N, S, H]; query head n reads key head floor(n / (N / K)). */
  readonly query: Tensor;
  /** [B, K, S, H], of the new positions. */
  readonly key: Tensor;
  readonly value: Tensor;
  /** [B, K, P, H] */
  readonly pastKey: Tensor;
  readonly pastValue: Tensor;
  /** [B, S, P + S], the cache first: 0 where a query may look, -1e9 where not. */
  readonly bias: Tensor;
}

/** softmax(query [pastKey, key]^T / sqrt(H) + bias) [pastValue, value] as [B, N, S, H]. */
export function attendWithPast({ query, key, value, pastKey, pastValue, bias }: CachedAttentionInputs): Tensor {
  const [batchSize = 0, numHeads = 0, length = 0, headDim = 0] = query.shape;
  const [, numKvHeads = 1, past = 0] = pastKey.shape;
  const numKeys = past + length;
  const folded = [batchSize, numKvHeads, (numHeads / numKvHeads) * length];
  const q = tf.reshape(tf.mul(query, tf.scalar(1 / Math.sqrt(headDim))), [...folded, headDim]);
  const scores = tf.concat([tf.matMul(q, pastKey, false, true), tf.matMul(q, key, false, true)], -1);
  const biased = tf.add(tf.reshape(scores, [batchSize, numHeads, length, numKeys]), tf.reshape(bias, [batchSize, 1, length, numKeys]));
  const weights = tf.reshape(tf.softmax(biased), [...folded, numKeys]);
  const begin = [0, 0, 0];
  const ofPast = tf.slice(weights, [...begin, 0], [...folded, past]);
  const ofNew = tf.slice(weights, [...begin, past], [...folded, length]);
  return tf.reshape(tf.add(tf.matMul(ofPast, pastValue), tf.matMul(ofNew, value)), query.shape);
}

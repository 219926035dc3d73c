/**
 * @file Scaled dot-product attention with grouped key/value heads.
 * Shapes: B batch row, S queries, L keys, N query heads, K key/value heads, H head size.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { differentiable } from "./custom-grad.ts";

export interface AttentionInputs {
  /** [B, N, S, H]; query head n reads key head floor(n / (N / K)). */
  readonly query: Tensor;
  /** [B, K, L, H] */
  readonly key: Tensor;
  /** [B, K, L, H] */
  readonly value: Tensor;
  /** [B, S, L], added to the scores of every head: 0 where a query may look, -1e9 where not. Absent: everywhere. A constant. */
  readonly bias?: Tensor;
}

/**
 * softmax(query key^T / sqrt(H) + bias) value as [B, N, S, H].
 *
 * The query heads of a group are folded into the rows, so that keys and values are never repeated. The backward pass
 * uses sum(dP P) = sum(dO O), which is a sum over H instead of L.
 */
export function attend({ query, key, value, bias }: AttentionInputs): Tensor {
  const [batchSize = 0, numHeads = 0, length = 0, headDim = 0] = query.shape;
  const [, numKvHeads = 1, numKeys = 0] = key.shape;
  const folded = [batchSize, numKvHeads, (numHeads / numKvHeads) * length];
  const scale = 1 / Math.sqrt(headDim);
  return differentiable({
    inputs: [query, key, value],
    forward: () => {
      const q = tf.reshape(tf.mul(query, tf.scalar(scale)), [...folded, headDim]);
      const scores = tf.matMul(q, key, false, true);
      const weights = bias === undefined ? tf.softmax(scores) : tf.reshape(tf.softmax(withBias(scores, bias, numHeads)), [...folded, numKeys]);
      const output = tf.matMul(weights, value);
      return { value: tf.reshape(output, query.shape), saved: [q, key, value, weights, output] };
    },
    backward: (dy, [q, key, value, weights, output]) => {
      const dOutput = tf.reshape(dy, output.shape);
      const dWeights = tf.matMul(dOutput, value, false, true);
      const dScores = tf.mul(weights, tf.sub(dWeights, tf.sum(tf.mul(dOutput, output), -1, true)));
      const dQuery = tf.mul(tf.matMul(dScores, key), tf.scalar(scale));
      return [tf.reshape(dQuery, query.shape), tf.matMul(dScores, q, true, false), tf.matMul(weights, dOutput, true, false)];
    },
  });
}

/** [B, K, N/K * S, L] scores as [B, N, S, L] plus the bias of their row. */
function withBias(scores: Tensor, bias: Tensor, numHeads: number): Tensor {
  const [batchSize = 0, length = 0, numKeys = 0] = bias.shape;
  return tf.add(tf.reshape(scores, [batchSize, numHeads, length, numKeys]), tf.reshape(bias, [batchSize, 1, length, numKeys]));
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

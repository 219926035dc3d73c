/** @file The token that the model holds likeliest to come next. Shapes: B batch row, S sequence, D width, M positions, V vocabulary. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { borrowFloats, hasHostMemory, readFloats } from "../backend/host-memory.ts";
import type { ModelConfig } from "./config.ts";
import { logitsAt } from "./emoverse.ts";
import type { Params } from "./params.ts";

/**
 * Behind each of the given positions of the states [B, S, D], counted over all rows; the first of equals. Only they are
 * projected on the vocabulary.
 *
 * @returns token ids [M] as float32, the caller's, for `readTokens`.
 */
export function likeliestTokens(params: Params, config: ModelConfig, hidden_BSD: Tensor, positions: readonly number[]): Tensor {
  return tf.tidy(() => {
    const rows = tf.reshape(hidden_BSD, [-1, hidden_BSD.shape[2] ?? 0]);
    const logits_MV = logitsAt(params, config, rows, Int32Array.from(positions));
    return hasHostMemory() ? likeliestInMemory(logits_MV) : likeliestOnDevice(logits_MV);
  });
}

/** The ids, which are freed. */
export async function readTokens(ids: Tensor): Promise<number[]> {
  try {
    return [...(await readFloats(ids))];
  } finally {
    ids.dispose();
  }
}

function likeliestInMemory(logits_MV: Tensor): Tensor {
  const [rows = 0, vocabSize = 0] = logits_MV.shape;
  const logits = borrowFloats(logits_MV);
  return tf.tensor1d(Float32Array.from({ length: rows }, (_, row) => indexOfLargest(logits.subarray(row * vocabSize, (row + 1) * vocabSize))));
}

function indexOfLargest(values: Float32Array): number {
  let best = 0;
  let largest = values[0] ?? 0;
  for (let i = 1; i < values.length; i++) {
    const value = values[i] ?? 0;
    if (value <= largest) continue;
    largest = value;
    best = i;
  }
  return best;
}

/** tfjs's ArgMax on WebGPU returns any of equals. The first has the most columns behind it, itself included; rows with a NaN give the last id. */
export function likeliestOnDevice(logits_MV: Tensor): Tensor {
  return tf.tidy(() => {
    const [, vocabSize = 0] = logits_MV.shape;
    const isLargest = tf.cast(tf.equal(logits_MV, tf.max(logits_MV, 1, true)), "float32");
    return tf.sub(vocabSize, tf.maximum(tf.max(tf.mul(isLargest, countdown(vocabSize)), 1), 1));
  });
}

/** [count, ..., 2, 1] */
function countdown(count: number): Tensor {
  const numbers = new Float32Array(count);
  for (let i = 0; i < count; i++) numbers[i] = count - i;
  return tf.tensor1d(numbers);
}

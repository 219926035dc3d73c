/** @file The token that the model holds likeliest to come next. Shapes: B batch row, S sequence, D width, V vocabulary. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { borrowFloats } from "../backend/host-memory.ts";
import { tidied } from "../backend/tidied.ts";
import type { ModelConfig } from "./config.ts";
import { logitsAt } from "./emoverse.ts";
import type { Params } from "./params.ts";

/** Behind each of the given positions of the states [B, S, D], counted over all rows; the first of equals. Only they are projected on the vocabulary. */
export function likeliestTokens(params: Params, config: ModelConfig, hidden_BSD: Tensor, positions: readonly number[]): number[] {
  return tidied(() => {
    const rows = tf.reshape(hidden_BSD, [-1, hidden_BSD.shape[2] ?? 0]);
    const logits = borrowFloats(logitsAt(params, config, rows, Int32Array.from(positions)));
    const vocabSize = logits.length / positions.length;
    return positions.map((_, row) => indexOfLargest(logits.subarray(row * vocabSize, (row + 1) * vocabSize)));
  });
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

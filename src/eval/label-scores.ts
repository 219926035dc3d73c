/** @file Log-probabilities of whole answers, read off one forward pass: answers hang as branches under their prompt. */
import * as tf from "@tensorflow/tfjs-core";
import { borrowFloats } from "../backend/host-memory.ts";
import { batchStates, type BatchWithMedia } from "../model/batch-states.ts";
import type { ModelConfig } from "../model/config.ts";
import { logitsAt } from "../model/emoverse.ts";
import type { Params } from "../model/params.ts";

/** An answer of a row: the position that predicts its first token, and where its tokens stand. */
export interface PlacedAnswer {
  readonly promptEnd: number;
  readonly start: number;
  /** With the end token, which stands nowhere: the last placed token predicts it. */
  readonly ids: Int32Array;
}

/** log P(answer | prompt), end token included, of every placed answer of a batch of one row. */
export function answerLogProbs(params: Params, config: ModelConfig, { answers, ...input }: BatchWithMedia & { readonly answers: readonly PlacedAnswer[] }): number[] {
  const positions = [...new Set(answers.flatMap(predictingPositions))];
  const rowOf = new Map(positions.map((position, row) => [position, row]));
  const logits = tf.tidy(() => logitsAt(params, config, batchStates(params, config, input), Int32Array.from(positions)));
  const [, vocabSize = 0] = logits.shape;
  const values = borrowFloats(logits);
  const rows = positions.map((_, row) => values.subarray(row * vocabSize, (row + 1) * vocabSize));
  // Answers share positions: the first token of all of them is predicted at the same one.
  const logSums = rows.map(logSumExp);
  const logProb = (position: number, id: number): number => {
    const row = rowOf.get(position) ?? 0;
    return (rows[row]?.[id] ?? Number.NaN) - (logSums[row] ?? Number.NaN);
  };
  const logProbs = answers.map((answer) => predictingPositions(answer).reduce((sum, position, i) => sum + logProb(position, answer.ids[i] ?? 0), 0));
  logits.dispose();
  return logProbs;
}

/** Where the answer's tokens are predicted, in order. */
function predictingPositions({ promptEnd, start, ids }: PlacedAnswer): number[] {
  return Array.from(ids, (_, i) => (i === 0 ? promptEnd : start + i - 1));
}

function logSumExp(logits: Float32Array): number {
  let largest = -Infinity;
  for (const logit of logits) if (logit > largest) largest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return largest + Math.log(sum);
}

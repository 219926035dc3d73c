/** @file Log-probabilities of whole answers, read off one forward pass: answers hang as branches under their prompt. */
import * as tf from "@tensorflow/tfjs-core";
import { borrowFloats, hasHostMemory, readFloats } from "../backend/host-memory.ts";
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
export async function answerLogProbs(params: Params, config: ModelConfig, { answers, ...input }: BatchWithMedia & { readonly answers: readonly PlacedAnswer[] }): Promise<number[]> {
  const positions = [...new Set(answers.flatMap(predictingPositions))];
  const rowOf = new Map(positions.map((position, row) => [position, row]));
  // Answers share positions: the first token of all of them is predicted at the same one.
  const tokens = answers.flatMap((answer) => predictingPositions(answer).map((position, i): TokenAt => ({ row: rowOf.get(position) ?? 0, id: answer.ids[i] ?? 0 })));
  const logits = tf.tidy(() => logitsAt(params, config, batchStates(params, config, input), Int32Array.from(positions)));
  try {
    const logProbs = hasHostMemory() ? logProbsInMemory(logits, tokens) : await logProbsOnDevice(logits, tokens);
    let end = 0;
    return answers.map(({ ids }) => logProbs.slice(end, (end += ids.length)).reduce((sum, logProb) => sum + logProb, 0));
  } finally {
    logits.dispose();
  }
}

/** Where the answer's tokens are predicted, in order. */
function predictingPositions({ promptEnd, start, ids }: PlacedAnswer): number[] {
  return Array.from(ids, (_, i) => (i === 0 ? promptEnd : start + i - 1));
}

interface TokenAt {
  /** Of the logits. */
  readonly row: number;
  readonly id: number;
}

function logProbsInMemory(logits: tf.Tensor, tokens: readonly TokenAt[]): number[] {
  const [count = 0, vocabSize = 0] = logits.shape;
  const values = borrowFloats(logits);
  const logSums = Array.from({ length: count }, (_, row) => logSumExp(values.subarray(row * vocabSize, (row + 1) * vocabSize)));
  return tokens.map(({ row, id }) => (values[row * vocabSize + id] ?? Number.NaN) - (logSums[row] ?? Number.NaN));
}

function logSumExp(logits: Float32Array): number {
  let largest = -Infinity;
  for (const logit of logits) if (logit > largest) largest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - largest);
  return largest + Math.log(sum);
}

/** Only the numbers that are asked for leave the device: a row has as many as the vocabulary has words. */
async function logProbsOnDevice(logits: tf.Tensor, tokens: readonly TokenAt[]): Promise<number[]> {
  const [count = 0] = logits.shape;
  const joined = tf.tidy(() => {
    // By row and column: tfjs's WebGPU takes a single index through float32, which ends at 2^24, a hundred rows of a vocabulary.
    const asked = tf.gatherND(logits, tf.tensor2d(tokens.flatMap(({ row, id }) => [row, id]), [tokens.length, 2], "int32"));
    return tf.concat([tf.logSumExp(logits, 1), asked], 0);
  });
  const numbers = await readFloats(joined);
  joined.dispose();
  return tokens.map(({ row }, i) => (numbers[count + i] ?? Number.NaN) - (numbers[row] ?? Number.NaN));
}

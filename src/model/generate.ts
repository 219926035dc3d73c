/**
 * @file Greedy generation for all open branches of a packed row at once: the row is read once, then every step adds one
 * token to each branch. A branch sees what its last prompt token sees, and its own answer; prefixes are never repeated.
 * Shapes: S prompt positions, M branches (rounded up), P cached positions, K key/value heads, H head size, V vocabulary.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { borrowFloats } from "../backend/host-memory.ts";
import { tidied } from "../backend/tidied.ts";
import { MASKED } from "../curriculum/tree-mask.ts";
import type { ModelConfig } from "./config.ts";
import { decodeWithCache } from "./decoder.ts";
import { embedBatch, type Features, logitsAt, PARTS } from "./emoverse.ts";
import { createKvCache, type KvCache } from "./kv-cache.ts";
import type { Params } from "./params.ts";

export interface GenerateInput {
  /** [S] each: one row of prompts. */
  readonly inputIds: Int32Array;
  readonly positionIds: Int32Array;
  readonly featureIndex: Int32Array;
  /** [S, S], 0 or MASKED. */
  readonly bias: Float32Array;
  readonly features: Features;
  /** Last prompt position of every branch. */
  readonly ends: readonly number[];
  readonly maxNewTokens: number;
  /** An answer ends before any of these. */
  readonly stopIds: ReadonlySet<number>;
}

/** Branch counts are rounded up to a multiple of this, so that few shapes are compiled. */
const BRANCH_MULTIPLE = 8;

/** The answer of every branch, without the stop token; at most `maxNewTokens` long. */
export function generateGreedy(params: Params, config: ModelConfig, input: GenerateInput): number[][] {
  return tidied(() => {
    const branches = Math.ceil(input.ends.length / BRANCH_MULTIPLE) * BRANCH_MULTIPLE;
    const cache = createKvCache(config.llm_config, { promptLength: input.inputIds.length, capacity: branches * (input.maxNewTokens - 1) });
    const bias = answerBias(input, { branches, past: cache.length });
    const answers: number[][] = input.ends.map(() => []);
    let next = readPrompt(params, config, input, cache);
    for (let step = 0; ; step++) {
      const isOpen = takeTokens(answers, next, input, step);
      if (!isOpen || step === input.maxNewTokens - 1) return answers.map((answer) => untilStop(answer, input.stopIds));
      next = tf.tidy(() => nextTokens(params, config, { input, cache, bias, branches, step, tokens: next }));
    }
  });
}

/** Appends this step's tokens; says whether any branch goes on. */
function takeTokens(answers: number[][], tokens: Int32Array, { stopIds }: GenerateInput, step: number): boolean {
  let isOpen = false;
  for (const [branch, answer] of answers.entries()) {
    answer[step] = tokens[branch] ?? 0;
    isOpen ||= !answer.some((token) => stopIds.has(token));
  }
  return isOpen;
}

function untilStop(answer: readonly number[], stopIds: ReadonlySet<number>): number[] {
  const end = answer.findIndex((token) => stopIds.has(token));
  return end < 0 ? [...answer] : answer.slice(0, end);
}

/** Fills the cache with the row and returns the first token of every branch. */
function readPrompt(params: Params, config: ModelConfig, input: GenerateInput, cache: KvCache): Int32Array {
  return tf.tidy(() => {
    const { inputIds, positionIds, featureIndex, bias, features, ends } = input;
    const length = inputIds.length;
    const { hidden_BSD, fresh } = decodeWithCache(params.scope(PARTS.decoder), config.llm_config, {
      embeds_BSD: embedBatch(params, config, { batchSize: 1, length, inputIds, featureIndex }, features),
      positionIds,
      bias_BSL: tf.tensor3d(bias, [1, length, length]),
    });
    cache.write(0, fresh);
    return likeliest(logitsAt(params, config, asRows(hidden_BSD), Int32Array.from(ends)));
  });
}

interface Step {
  readonly input: GenerateInput;
  readonly cache: KvCache;
  readonly bias: Float32Array;
  readonly branches: number;
  readonly step: number;
  readonly tokens: Int32Array;
}

function nextTokens(params: Params, config: ModelConfig, { input, cache, bias, branches, step, tokens }: Step): Int32Array {
  const { ends, positionIds } = input;
  const inputIds = Int32Array.from({ length: branches }, (_, branch) => tokens[branch] ?? 0);
  const { hidden_BSD, fresh } = decodeWithCache(params.scope(PARTS.decoder), config.llm_config, {
    embeds_BSD: embedBatch(params, config, { batchSize: 1, length: branches, inputIds, featureIndex: new Int32Array(branches).fill(-1) }, {}),
    positionIds: Int32Array.from({ length: branches }, (_, branch) => (positionIds[ends[branch] ?? 0] ?? 0) + 1 + step),
    bias_BSL: tf.tensor3d(bias, [1, branches, cache.length + branches]),
    past: cache.tensors(),
  });
  const first = input.inputIds.length + step * branches;
  cache.write(first, fresh);
  for (let branch = 0; branch < branches; branch++) bias[branch * (cache.length + branches) + first + branch] = 0;
  return likeliest(logitsAt(params, config, asRows(hidden_BSD), Int32Array.from(ends.keys())));
}

/** [M, P + M]: the prompt as the branch's last token sees it, no answer yet, and itself among the new tokens. */
function answerBias({ bias, ends, inputIds }: GenerateInput, { branches, past }: { branches: number; past: number }): Float32Array {
  const length = inputIds.length;
  const keys = past + branches;
  const own = new Float32Array(branches * keys).fill(MASKED);
  for (let branch = 0; branch < branches; branch++) {
    const end = ends[branch];
    if (end !== undefined) own.set(bias.subarray(end * length, (end + 1) * length), branch * keys);
    own[branch * keys + past + branch] = 0;
  }
  return own;
}

function asRows(hidden_BSD: Tensor): Tensor {
  return tf.reshape(hidden_BSD, [-1, hidden_BSD.shape[2] ?? 0]);
}

/** Index of the largest logit of every row [M, V]; the first of equals. */
function likeliest(logits: Tensor): Int32Array {
  const [rows = 0, vocabSize = 0] = logits.shape;
  const values = borrowFloats(logits);
  return Int32Array.from({ length: rows }, (_, row) => {
    let best = row * vocabSize;
    for (let i = best + 1; i < (row + 1) * vocabSize; i++) if ((values[i] ?? 0) > (values[best] ?? 0)) best = i;
    return best - row * vocabSize;
  });
}

/** @file decode: answers grow from eight prompts at once on a decoder of Qwen2-0.5B's size; reading the prompts is not counted. */
import { rng } from "../../../src/core/rng.ts";
import type { PackedRow } from "../../../src/curriculum/packed-row.ts";
import { buildRow, type TreeNode } from "../../../src/curriculum/row.ts";
import { seenUntil } from "../../../src/curriculum/tree-mask.ts";
import type { Answer } from "../../../src/model/answer-batch.ts";
import { generateGreedy } from "../../../src/model/generate.ts";
import { IGNORE_INDEX } from "../../../src/text/encoded-sample.ts";
import type { BenchCase } from "../bench-case.ts";
import { decodeTokenFlops } from "../../../src/model/flops.ts";
import type { Repetition } from "../measure.ts";
import { cheapWeights } from "./cheap-weights.ts";
import { INTERNVL2_1B } from "./internvl2-1b.ts";

const SEQUENCES = 8;
/** Tokens that all prompts share, and tokens of each. */
const PREFIX = 128;
const BRANCH = 16;
const NEW_TOKENS = 32;

/** Tokens are the new ones of all sequences. */
export function greedyDecoding(): BenchCase {
  const promptLength = PREFIX + BRANCH;
  const flops = Array.from({ length: NEW_TOKENS }, (_, step) => SEQUENCES * decodeTokenFlops(INTERNVL2_1B.llm_config, promptLength + step + 1));
  return {
    tokens: SEQUENCES * NEW_TOKENS,
    flops: flops.reduce((sum, own) => sum + own, 0),
    peer: { kind: "decode", config: INTERNVL2_1B, sequences: SEQUENCES, promptLength, newTokens: NEW_TOKENS },
    prepare,
  };
}

function prepare(): Repetition {
  const params = cheapWeights(INTERNVL2_1B, "language_model.");
  const row = promptRow();
  const { inputIds, positionIds, segments } = row;
  const generate = async (maxNewTokens: number): Promise<number> => {
    const started = performance.now();
    const prompts = {
      inputIds,
      positionIds,
      featureIndex: new Int32Array(inputIds.length).fill(-1),
      seenUntil: seenUntil(row),
      features: () => ({}),
      ends: segments.slice(1).map(({ start, length }) => start + length - 1),
    };
    const answers: Answer[] = [];
    for await (const some of generateGreedy(params, INTERNVL2_1B, { rows: [prompts], maxNewTokens, stopIds: new Set() })) answers.push(...some);
    if (answers.length !== SEQUENCES || answers.some(({ ids }) => ids.length !== maxNewTokens)) throw new Error("an answer has another length than was asked for");
    return performance.now() - started;
  };
  // Reading the prompts gives the first token.
  return async () => (await generate(1 + NEW_TOKENS)) - (await generate(1));
}

function promptRow(): PackedRow {
  const draw = rng("bench prompts");
  const node = (length: number, parent: number): TreeNode => ({
    segment: { inputIds: Int32Array.from({ length }, () => draw.integer(INTERNVL2_1B.llm_config.vocab_size)), labels: new Int32Array(length).fill(IGNORE_INDEX), slots: [] },
    parent,
  });
  return buildRow([[node(PREFIX, -1), ...Array.from({ length: SEQUENCES }, () => node(BRANCH, 0))]], PREFIX + SEQUENCES * BRANCH);
}

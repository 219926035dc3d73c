/**
 * @file Greedy generation for many prompts. Packed rows of prompts are read one after another, each once, when there is
 * room for their answers; the answers of all rows grow together.
 * Shapes: S positions of a row.
 */
import { tidy } from "@tensorflow/tfjs-core";
import type { Batch } from "../curriculum/batch.ts";
import { type Answer, AnswerBatch, type ReadPrompt } from "./answer-batch.ts";
import { batchMask } from "./batch-mask.ts";
import type { ModelConfig } from "./config.ts";
import { decodeWithCache } from "./decoder.ts";
import { embedBatch, type Features, PARTS } from "./emoverse.ts";
import { disposeStates, type States, statesAt } from "./kv-cache.ts";
import { likeliestTokens, readTokens } from "./likeliest.ts";
import type { Params } from "./params.ts";

/** Prompts in one packed row. */
export interface UnreadRow extends Pick<Batch, "inputIds" | "positionIds" | "seenUntil" | "featureIndex"> {
  /** Called inside tf.tidy when the row is read. */
  readonly features: () => Features;
  /** Last position of every prompt. */
  readonly ends: readonly number[];
}

export interface GenerateInput {
  /** Shortest prompts first wastes least: all answers of a batch have room for its longest. */
  readonly rows: Iterable<UnreadRow> | AsyncIterable<UnreadRow>;
  readonly maxNewTokens: number;
  /** An answer ends before any of these. */
  readonly stopIds: ReadonlySet<number>;
}

/** Yields after every row and every token the answers that ended, without their stop token. What grows beside an answer does not change it. */
export async function* generateGreedy(params: Params, config: ModelConfig, { rows, maxNewTokens, stopIds }: GenerateInput): AsyncGenerator<readonly Answer[], void> {
  const isStopped = ({ ids }: Answer): boolean => stopIds.has(ids.at(-1) ?? -1);
  const hasEnded = (answer: Answer): boolean => answer.ids.length === maxNewTokens || isStopped(answer);
  const withoutStop = (answer: Answer): Answer => (isStopped(answer) ? { ...answer, ids: answer.ids.slice(0, -1) } : answer);
  const batch = new AnswerBatch({ room: maxNewTokens - 1, hasEnded });
  let prompts = 0;
  try {
    for await (const row of rows) {
      const read = await readRow(params, config, row, prompts);
      prompts += read.length;
      for (const prompt of read) {
        if (hasEnded(prompt.answer)) disposeStates(prompt.states);
        else batch.add(prompt);
      }
      yield read.map(({ answer }) => answer).filter(hasEnded).map(withoutStop);
      while (!batch.hasRoom()) yield (await batch.step(params, config)).map(withoutStop);
    }
    while (!batch.isEmpty()) yield (await batch.step(params, config)).map(withoutStop);
  } finally {
    batch.dispose();
  }
}

/** The prompts of a row, which are counted from `first` on. */
async function readRow(params: Params, config: ModelConfig, row: UnreadRow, first: number): Promise<ReadPrompt[]> {
  const { inputIds, positionIds, features, ends } = row;
  const states: States[] = [];
  const ids = tidy(() => {
    const batch = { ...row, batchSize: 1, length: inputIds.length };
    const { hidden_BSD, fresh } = decodeWithCache(params.scope(PARTS.decoder), config.llm_config, { embeds_BSD: embedBatch(params, config, batch, features()), positionIds, ...batchMask(batch) });
    const likeliest = likeliestTokens(params, config, hidden_BSD, ends);
    for (const end of ends) states.push(statesAt(fresh, visiblePositions(row, end)));
    return likeliest;
  });
  const tokens = await readTokens(ids);
  return states.map((own, i) => ({ states: own, position: (positionIds[ends[i] ?? 0] ?? 0) + 1, answer: { prompt: first + i, ids: [tokens[i] ?? 0] } }));
}

/** What a position of the row sees, itself included, in order. */
function visiblePositions({ seenUntil }: UnreadRow, position: number): number[] {
  return [...seenUntil.subarray(0, position + 1).keys()].filter((key) => position < (seenUntil[key] ?? 0));
}

import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { rng } from "../../src/core/rng.ts";
import { answerLogProbs } from "../../src/eval/label-scores.ts";
import { promptRows } from "../../src/eval/prompt-rows.ts";
import { batchFeatures } from "../../src/model/batch-features.ts";
import { generateGreedy, type UnreadRow } from "../../src/model/generate.ts";
import type { ParamStore } from "../../src/model/params.ts";
import { type EncodedSample, sampleLength } from "../../src/text/encoded-sample.ts";
import { describeOnGpu } from "../backend/webgpu/software-gpu.ts";
import { packRows, toySample } from "../curriculum/toy-samples.ts";
import { answersByPrompt } from "../model/generated.ts";
import { toyConfig } from "../model/toy-model.ts";
import { onBoth } from "./gpu-model.ts";
import { toyBatch, toyClipSamples, toyMedia } from "./toy-rows.ts";

const TIMEOUT_MS = 120_000;
const PROMPTS = [...toyClipSamples("a", ["msa", "erc", "fer", "eri"]), ...toyClipSamples("text b", ["ecpe", "msa"])];

describeOnGpu("answers on a GPU", () => {
  test("two rows of prompts, one of them long, get the host's tokens, and nothing is left behind", { timeout: TIMEOUT_MS }, async () => {
    const { host, gpu } = await onBoth(async (params) => {
      const rows = [[...PROMPTS.slice(0, 4), longPrompt(125)], PROMPTS.slice(4)];
      const before = tf.memory().numTensors;
      const answers = await answersByPrompt(generateGreedy(params, toyConfig, { rows: rows.map((prompts) => unreadRow(params, prompts)), maxNewTokens: 6, stopIds: new Set([STOP]) }));
      expect(tf.memory().numTensors).toBe(before);
      return answers;
    });

    expect(gpu).toEqual(host);
    expect(host.length).toBe(7);
    expect(new Set(host.map(({ length }) => length)).size).toBeGreaterThan(1); // not all end at once
    expect(new Set(host.flat()).size).toBeGreaterThan(5);
  });

  test("answers have the host's likelihoods", { timeout: TIMEOUT_MS }, async () => {
    const { host, gpu } = await onBoth(likelihoods);

    expect(host.length).toBe(15);
    expect(new Set(host).size).toBe(15);
    gpu.forEach((value, i) => expect(value / host[i]!, `answer ${i}`).toBeCloseTo(1, 4));
  });
});

/** A token that ends some of the answers early. */
const STOP = 12;
/** The last id of each is its end token. */
const ANSWERS = [[5, 9, 2], [5, 9, 11, 2], [5, 2], [7, 8, 3, 4, 2], [2]].map((ids) => Int32Array.from(ids));

async function likelihoods(params: ParamStore): Promise<number[]> {
  const [{ row, prompts }] = promptRows([...PROMPTS.slice(0, 2), PROMPTS[4]!], ANSWERS, 200) as [ReturnType<typeof promptRows>[0]];
  const batch = toyBatch(row);
  const before = tf.memory().numTensors;
  const found = await answerLogProbs(params, toyConfig, { batch, media: toyMedia(batch), answers: prompts.flatMap(({ answers }) => answers) });
  expect(tf.memory().numTensors).toBe(before);
  return found;
}

function unreadRow(params: ParamStore, prompts: readonly EncodedSample[]): UnreadRow {
  const { rows } = packRows(prompts, { rowTokens: prompts.reduce((sum, each) => sum + sampleLength(each), 0) });
  expect(rows.length).toBe(1);
  const batch = toyBatch(...rows);
  const ends = prompts.map((prompt) => rows[0]!.segments.find(({ sampleId }) => sampleId === prompt.id)!).map(({ start, length }) => start + length - 1);
  return { ...batch, features: () => batchFeatures(params, toyConfig, toyMedia(batch)), ends };
}

function longPrompt(length: number): EncodedSample {
  const draw = rng("long prompt");
  const words = (count: number): number[] => Array.from({ length: count }, () => 1 + draw.integer(29));
  return toySample({ id: "long", prefixKey: "long", prefix: words(length - 2), branch: words(2), answer: 0 });
}

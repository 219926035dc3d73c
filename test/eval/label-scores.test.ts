import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { answerLogProbs } from "../../src/eval/label-scores.ts";
import { promptRows } from "../../src/eval/prompt-rows.ts";
import { batchFeatures } from "../../src/model/batch-features.ts";
import { embedBatch, hiddenStates, logitsAt } from "../../src/model/emoverse.ts";
import type { ParamStore } from "../../src/model/params.ts";
import type { EncodedSample } from "../../src/text/encoded-sample.ts";
import { useDeviceDouble } from "../backend/device-double.ts";
import { useBackend } from "../model/support.ts";
import { toyConfig } from "../model/toy-model.ts";
import { toyBatch, toyClipSamples, toyMedia, toyWeights } from "../train/toy-rows.ts";

const TIMEOUT_MS = 60_000;
/** Different lengths, common beginnings, one that begins another. The last id of each is its end token. */
const ANSWERS = [[5, 9, 2], [5, 9, 11, 2], [5, 2], [7, 8, 3, 4, 2], [2]].map((ids) => Int32Array.from(ids));
const PROMPTS = [...toyClipSamples("a", ["msa", "erc"]), ...toyClipSamples("text b", ["msa"])];

let params: ParamStore;

describe.each(["cpu", "onnxruntime"])("on %s", (backend) => {
  beforeEach(async () => {
    await useBackend(backend);
    params = toyWeights();
  });
  afterEach(() => params.dispose());

  test("the answers of several prompts in one pass have the likelihoods that each has alone after its prompt", { timeout: TIMEOUT_MS }, async () => {
    const rows = promptRows(PROMPTS, ANSWERS, 200);
    const [{ row, prompts }] = rows as [(typeof rows)[0]];
    const batch = toyBatch(row);
    const before = tf.memory().numTensors;

    const together = await answerLogProbs(params, toyConfig, { batch, media: toyMedia(batch), answers: prompts.flatMap(({ answers }) => answers) });
    const alone = prompts.flatMap(({ sampleId }) => PROMPTS.filter(({ id }) => id === sampleId)).flatMap((prompt) => ANSWERS.map((answer) => logProb(prompt, answer)));

    expect(rows.length).toBe(1);
    expect(tf.memory().numTensors).toBe(before);
    expect(together.length).toBe(15);
    expect(new Set(alone.map((value) => value.toFixed(3))).size).toBe(15);
    alone.forEach((value, i) => expect(Math.abs(together[i]! - value) / Math.abs(value), `answer ${i}`).toBeLessThan(1e-5));
  });

  test("a head of zeros gives each token 1/32", { timeout: TIMEOUT_MS }, async () => {
    params.set("language_model.lm_head.weight", tf.zeros([32, 16]));
    const [{ row, prompts }] = promptRows(PROMPTS.slice(2), ANSWERS, 60) as [ReturnType<typeof promptRows>[0]];

    const scores = await answerLogProbs(params, toyConfig, { batch: toyBatch(row), media: {}, answers: prompts[0]!.answers });

    [3, 4, 2, 5, 1].forEach((tokens, i) => expect(scores[i]).toBeCloseTo(-3.465736 * tokens, 4));
  });
});

test("on a device the likelihoods are the host's, in one read", { timeout: TIMEOUT_MS }, async () => {
  const [{ row, prompts }] = promptRows(PROMPTS, ANSWERS, 200) as [ReturnType<typeof promptRows>[0]];
  const batch = toyBatch(row);
  const input = { batch, media: toyMedia(batch), answers: prompts.flatMap(({ answers }) => answers) };
  await useBackend("cpu");
  params = toyWeights();
  const expected = await answerLogProbs(params, toyConfig, input);
  const { reads } = await useDeviceDouble({ ownKernels: false, params });
  const before = tf.memory().numTensors;

  const logProbs = await answerLogProbs(params, toyConfig, input);

  expect(logProbs.length).toBe(15);
  logProbs.forEach((value, i) => expect(Math.abs(value / expected[i]! - 1), `answer ${i}`).toBeLessThan(1e-5));
  expect(reads()).toBe(1);
  expect(tf.memory().numTensors).toBe(before);
  params.dispose();
});

/** The whole sequence prompt + answer, causal; doubles after the logits. */
function logProb({ prefix, branch }: EncodedSample, answer: Int32Array): number {
  const prompt = [...prefix.inputIds, ...branch.inputIds];
  const ids = [...prompt, ...answer];
  const whole = { inputIds: Int32Array.from(ids), labels: new Int32Array(ids.length).fill(-100), slots: prefix.slots };
  const none = { inputIds: new Int32Array(0), labels: new Int32Array(0), slots: [] };
  const [row] = promptRows([{ id: "x", task: "erc", unit: "x", prefixKey: "x", prefix: whole, branch: none, answerTokens: 0 }], [], 1);
  const batch = toyBatch(row!.row);
  const causal = ids.map((_, query) => ids.map((__, key) => (key <= query ? 0 : -1e9)));
  const logits = tf.tidy(() => {
    const embeds_BSD = embedBatch(params, toyConfig, batch, batchFeatures(params, toyConfig, toyMedia(batch)));
    const hidden = hiddenStates(params, toyConfig, { embeds_BSD, positionIds: Int32Array.from(ids.keys()), bias_BSL: tf.tensor3d([causal]) });
    return logitsAt(params, toyConfig, hidden, Int32Array.from(answer.keys(), (i) => prompt.length - 1 + i)).arraySync() as number[][];
  });
  return logits.reduce((sum, row, i) => sum + row[answer[i]!]! - Math.log(row.reduce((all, logit) => all + Math.exp(logit), 0)), 0);
}

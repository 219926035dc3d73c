import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { EmtRecord } from "../../src/data/record.ts";
import { decodeMethod, type DecodeMethod, type Predictor, predictSamples } from "../../src/eval/predict.ts";
import { inSampleOrder, type Prediction } from "../../src/eval/predictions.ts";
import type { ParamStore } from "../../src/model/params.ts";
import { TASKS } from "../../src/tasks/index.ts";
import type { TaskName } from "../../src/tasks/task.ts";
import { useBackend } from "../model/support.ts";
import { fixtureRecords, toyPredictor } from "./toy-predictor.ts";

const TIMEOUT_MS = 60_000;

let predictor: Predictor & { readonly params: ParamStore };
let records: readonly EmtRecord[];

beforeEach(async () => {
  await useBackend("onnxruntime");
  records = await fixtureRecords();
  predictor = await toyPredictor(records);
});
afterEach(() => predictor.params.dispose());

describe.each([["erc", "score"], ["eri", "generate"], ["ecpe", "generate"], ["ecpe", "score"]] as const)("%s by %s", (name, method) => {
  test("every sample is predicted once, and its prediction does not depend on how samples share rows", { timeout: TIMEOUT_MS }, async () => {
    const short = await predict(name, method, 1); // a row for every prompt
    const long = await predict(name, method, 1200);

    const samples = samplesOf(name);
    expect(short.predictions.map(({ id, gold }) => [id, gold])).toEqual(samples.map(({ id, target }) => [id, target]));
    expect(short.arrival).not.toEqual(samples.map(({ id }) => id)); // shortest first, put back into order
    if (method === "score") expect(short.groups).toBeGreaterThan(long.groups);
    expect(long.groups).toBeLessThan(samples.length);
    expect(long.predictions.map(({ id, response, parsed }) => ({ id, response, parsed }))).toEqual(short.predictions.map(({ id, response, parsed }) => ({ id, response, parsed })));
    short.predictions.forEach(({ scores }, i) => expectClose(long.predictions[i]?.scores, scores));
  });
});

test("a prompt longer than the model's positions is told before anything is computed", async () => {
  const [record] = records;
  const endless = { ...record!, utterances: [{ ...record!.utterances[0]!, text: "word ".repeat(5000) }] };
  const predictions = predictSamples(predictor, { task: TASKS.erc, samples: TASKS.erc.samples(endless), method: "score" });

  await expect(predictions.next()).rejects.toThrow(/^DataError sample test0001_utt1:erc: got a prompt of \d{4,} tokens, expected at most 4096 \(max_position_embeddings of the model\)\.\n {2}Shorten the transcript, or train with fewer data\.frames\.$/);
});

test("a scored prediction is the likeliest answer, with the log-probability of every answer beside it", { timeout: TIMEOUT_MS }, async () => {
  const { predictions } = await predict("erc", "score", 600);

  expect(predictions.length).toBe(7);
  for (const { response, parsed, scores = {}, task, seconds } of predictions) {
    const [best] = Object.entries(scores).sort(([, a], [, b]) => b - a)[0] ?? [];
    expect(response).toBe(best);
    expect(parsed).toBe(response);
    expect(Object.keys(scores)).toEqual(TASKS.erc.answers);
    expect(Object.values(scores).every((score) => score < 0)).toBe(true);
    expect(task).toBe("erc");
    expect(seconds).toBeGreaterThan(0);
  }
  expect(new Set(predictions.map(({ scores }) => JSON.stringify(scores))).size).toBe(7); // each sample its own
});

test("a generated answer is the text of the tokens up to the end token; what does not parse has no parsed answer", { timeout: TIMEOUT_MS }, async () => {
  const { tokenizer } = predictor.encoding;
  const [joy, sad] = [tokenizer.encode("joy"), tokenizer.encode("sad")].map(([first]) => first!) as [number, number];
  const end = tokenizer.idOf("<|im_end|>");

  writesThen(predictor.params, { word: joy, end });
  const { predictions } = await predict("erc", "generate", 600);
  writesThen(predictor.params, { word: sad, end });
  const others = (await predict("erc", "generate", 600)).predictions;

  expect(tokenizer.decode([joy])).toBe("joy");
  expect(predictions.map(({ response, parsed }) => [response, parsed])).toEqual(predictions.map(() => ["joy", TASKS.erc.parse("joy")]));
  expect(others.map(({ response, parsed }) => [response, parsed])).toEqual(predictions.map(() => [tokenizer.decode([sad]), undefined]));
  expect(predictions.length).toBe(7);
  expect(predictions.every(({ scores }) => scores === undefined)).toBe(true);
});

test("nothing is left behind by either method", { timeout: TIMEOUT_MS }, async () => {
  for (const method of ["score", "generate"] as const) {
    await predict("msa", method, 600);
    const before = tf.memory().numTensors;
    await predict("msa", method, 600);
    expect(tf.memory().numTensors, method).toBe(before);
  }
});

test("auto scores closed answer sets and generates the rest; cause pairs are scored when that is asked", () => {
  const how = (wanted: DecodeMethod | "auto"): string[] => Object.values(TASKS).map((task) => `${task.name} ${decodeMethod(wanted, task)}`);

  expect(how("auto")).toEqual(["msa score", "erc score", "fer generate", "eri generate", "ecpe generate"]);
  expect(how("score")).toEqual(["msa score", "erc score", "fer generate", "eri generate", "ecpe score"]);
  expect(how("generate").every((each) => each.endsWith("generate"))).toBe(true);
});

function samplesOf(name: TaskName): ReturnType<(typeof TASKS)[TaskName]["samples"]> {
  return records.flatMap((record) => TASKS[name].samples(record));
}

/** The predictions in the samples' order; how they came, and in how many groups. */
async function predict(name: TaskName, method: DecodeMethod, rowTokens: number): Promise<{ predictions: readonly Prediction[]; arrival: string[]; groups: number }> {
  const samples = samplesOf(name);
  const predictions: Prediction[] = [];
  let groups = 0;
  for await (const some of predictSamples({ ...predictor, rowTokens }, { task: TASKS[name], samples, method })) {
    predictions.push(...some);
    if (some.length > 0) groups += 1;
  }
  return { predictions: inSampleOrder(predictions, samples), arrival: predictions.map(({ id }) => id), groups };
}

/** Layers that add nothing and a head that reads the embedding: after `word` comes `end`, after anything else `word`. */
function writesThen(params: ParamStore, { word, end }: { word: number; end: number }): void {
  for (const name of params.names().filter((each) => /(o_proj|down_proj)\.weight$/.test(each))) params.set(name, tf.zerosLike(params.get(name)));
  const table = new Float32Array(1024 * 16);
  const head = new Float32Array(1024 * 16);
  for (let id = 0; id < 1024; id++) table[id * 16 + (id === word ? 1 : 0)] = 1;
  head[word * 16] = 1;
  head[end * 16 + 1] = 1;
  params.set("language_model.model.embed_tokens.weight", tf.tensor2d(table, [1024, 16]));
  params.set("language_model.lm_head.weight", tf.tensor2d(head, [1024, 16]));
}

function expectClose(actual: Readonly<Record<string, number>> | undefined, expected: Readonly<Record<string, number>> | undefined): void {
  expect(Object.keys(actual ?? {})).toEqual(Object.keys(expected ?? {}));
  for (const [answer, score] of Object.entries(expected ?? {})) expect(Math.abs((actual?.[answer] ?? NaN) / score - 1), answer).toBeLessThan(1e-5);
}

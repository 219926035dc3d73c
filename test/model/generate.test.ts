import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { rng } from "../../src/core/rng.ts";
import type { PackedRow } from "../../src/curriculum/packed-row.ts";
import { batchFeatures } from "../../src/model/batch-features.ts";
import { embedBatch, hiddenStates, logitsAt } from "../../src/model/emoverse.ts";
import { generateGreedy, type UnreadRow } from "../../src/model/generate.ts";
import type { Params, ParamStore } from "../../src/model/params.ts";
import { tidied } from "../../src/backend/tidied.ts";
import { type EncodedSample, sampleLength } from "../../src/text/encoded-sample.ts";
import { toyBatch, toyClipSamples, toyMedia, toyWeights } from "../train/toy-rows.ts";
import { useDeviceDouble } from "../backend/device-double.ts";
import { answersByPrompt } from "./generated.ts";
import { useBackend } from "./support.ts";
import { toyConfig } from "./toy-model.ts";
import { packRows, toySample } from "../curriculum/toy-samples.ts";

const TIMEOUT_MS = 60_000;
const MAX_NEW = 5;
/** Two trees with frames and sound, one of text, different lengths: nine prompts, so that the branches exceed one group of eight. */
const PROMPTS = [...toyClipSamples("a", ["msa", "erc", "fer", "eri"]), ...toyClipSamples("text b", ["ecpe", "msa"]), ...toyClipSamples("c", ["erc", "fer", "eri"])];

let params: ParamStore;

describe.each(["cpu", "onnxruntime"])("on %s", (backend) => {
  beforeEach(async () => {
    await useBackend(backend);
    params = toyWeights();
  });
  afterEach(() => params.dispose());

  test("every branch of a row writes what it writes alone by whole forward passes, token by token", { timeout: TIMEOUT_MS }, async () => {
    const expected = PROMPTS.map((prompt) => byForwardPasses(prompt, MAX_NEW));

    const answers = await generate(PROMPTS);

    expect(answers).toEqual(expected);
    expect(answers.every(({ length }) => length === MAX_NEW)).toBe(true);
    expect(new Set(answers.map(String)).size).toBeGreaterThan(6); // they are not all alike
    expect(new Set(answers.flat()).size).toBeGreaterThan(6);
  });

  test("an answer ends before its first stop token; the others go on as if nothing had happened", { timeout: TIMEOUT_MS }, async () => {
    const whole = await generate(PROMPTS);
    const stops = stopTokens(whole);

    const answers = await generate(PROMPTS, { stopIds: new Set(stops) });

    expect(answers).toEqual(whole.map((answer) => untilStop(answer, stops)));
    expect(new Set(answers.map(({ length }) => length)).size).toBeGreaterThanOrEqual(4); // ends at different steps
    expect(Math.min(...answers.map(({ length }) => length))).toBe(0);
    expect(Math.max(...answers.map(({ length }) => length))).toBe(MAX_NEW);
  });

  test("a shorter limit cuts the same answers, down to a single token", { timeout: TIMEOUT_MS }, async () => {
    const whole = await generate(PROMPTS);

    for (const maxNewTokens of [1, 2]) expect(await generate(PROMPTS, { maxNewTokens })).toEqual(whole.map((answer) => answer.slice(0, maxNewTokens)));
  });

  test("another branch, another tree, padding and the order in the row change no answer", { timeout: TIMEOUT_MS }, async () => {
    const whole = new Map((await generate(PROMPTS)).map((answer, i) => [PROMPTS[i]!.id, answer]));
    const few = [PROMPTS[8]!, PROMPTS[4]!, PROMPTS[2]!];

    expect(await generate(few, { rowTokens: 97 })).toEqual(few.map(({ id }) => whole.get(id)));
  });

  test("more prompts than grow at once, short and long in any order of rows, write what each writes alone", { timeout: TIMEOUT_MS }, async () => {
    const rows = [[...PROMPTS.slice(0, 4), prompt("long", 125)], PROMPTS.slice(4), [prompt("longer", 253)], Array.from({ length: 26 }, (_, i) => prompt(`short ${i}`, 4 + (i % 7)))];
    const prompts = rows.flat();

    const whole = await generateInRows(rows);
    const stopIds = new Set(stopTokens(whole)); // so that slots go to others at different steps
    const expected = new Map(prompts.map(({ id }, i) => [id, untilStop(whole[i]!, [...stopIds])]));

    expect(prompts.length).toBe(37);
    prompts.forEach((each, i) => expect(likeliestAlong(each, whole[i]!), each.id).toEqual(whole[i]));
    expect(new Set(whole.map(String)).size).toBeGreaterThan(25);
    for (const order of [rows, rows.toReversed()]) expect(await generateInRows(order, { stopIds })).toEqual(order.flat().map(({ id }) => expected.get(id)));
  });

  test("answers come as soon as they end, a row is read when there is room for it", { timeout: TIMEOUT_MS }, async () => {
    const happened: string[] = [];
    const groups = [0, 1, 2, 3].map((row) => Array.from({ length: 16 }, (_, i) => prompt(`${row}/${i}`, 5 + i)));
    function* rows(): Generator<UnreadRow> {
      for (const [i, prompts] of groups.entries()) {
        happened.push(`row ${i}`);
        yield unreadRow(prompts, 256);
      }
    }

    const ended: number[] = [];
    for await (const answers of generateGreedy(params, toyConfig, { rows: rows(), maxNewTokens: 3, stopIds: new Set() })) {
      ended.push(...answers.map(({ prompt: number }) => number));
      happened.push(`${answers.length}`);
    }

    // Two rows fill the 32 slots, two steps end all of them.
    expect(happened).toEqual(["row 0", "0", "row 1", "0", "0", "32", "row 2", "0", "row 3", "0", "0", "32"]);
    expect(ended).toEqual(Array.from({ length: 64 }, (_, i) => i));
  });

  test("nothing is left behind, however often", { timeout: TIMEOUT_MS }, async () => {
    await generate(PROMPTS.slice(0, 2));
    const before = tf.memory();

    for (let i = 0; i < 5; i++) await generate(PROMPTS.slice(0, 2));

    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory()).toEqual(before); // buffers, sessions and the pool as well
  });

  test("a reader that leaves before the end leaves nothing behind", { timeout: TIMEOUT_MS }, async () => {
    const before = tf.memory().numTensors;
    const row = unreadRow(PROMPTS.slice(0, 2), 100);

    let steps = 0;
    for await (const answers of generateGreedy(params, toyConfig, { rows: [row], maxNewTokens: MAX_NEW, stopIds: new Set() })) {
      expect(answers).toEqual([]);
      steps += 1;
      if (steps === 2) break;
    }

    expect(steps).toBe(2);
    expect(tf.memory().numTensors).toBe(before);
  });

  test("no more forward passes than the longest answer needs", { timeout: TIMEOUT_MS }, async () => {
    const whole = await generate(PROMPTS);
    const which = whole.findIndex((answer) => answer.indexOf(answer[2]!) === 2);
    const reads: string[] = [];

    await generate([PROMPTS[which]!], { stopIds: new Set([whole[which]![2]!]), reader: watched(reads) });

    expect(reads.filter((name) => name === "language_model.lm_head.weight").length).toBe(3);
  });
});

test.each([["with", true], ["without", false]] as const)("on a device %s kernels of ours, answers are the host's, a row and a token cost one read each, and nothing is left behind", { timeout: TIMEOUT_MS }, async (_, ownKernels) => {
  await useBackend("cpu");
  params = toyWeights();
  const rows = [[...PROMPTS.slice(0, 4), prompt("long", 125)], PROMPTS.slice(4)];
  const expected = await generateInRows(rows);
  const { reads } = await useDeviceDouble({ ownKernels, params });
  const before = tf.memory().numTensors;

  const answers = await generateInRows(rows);

  expect(answers).toEqual(expected);
  expect(reads()).toBe(rows.length + MAX_NEW - 1);
  expect(tf.memory().numTensors).toBe(before);
  params.dispose();
});

interface Options {
  readonly maxNewTokens?: number;
  readonly stopIds?: ReadonlySet<number>;
  readonly rowTokens?: number;
  readonly reader?: Params;
}

/** Answers to the prompts, all in one row, in their order. */
function generate(prompts: readonly EncodedSample[], options: Options = {}): Promise<number[][]> {
  return generateInRows([prompts], options);
}

/** Answers to the prompts of several rows, row by row. */
function generateInRows(rows: readonly (readonly EncodedSample[])[], { reader = params, maxNewTokens = MAX_NEW, stopIds = new Set(), rowTokens }: Options = {}): Promise<number[][]> {
  const unread = rows.map((prompts) => unreadRow(prompts, rowTokens ?? prompts.reduce((sum, each) => sum + sampleLength(each), 0), reader));
  return answersByPrompt(generateGreedy(reader, toyConfig, { rows: unread, maxNewTokens, stopIds }));
}

function unreadRow(prompts: readonly EncodedSample[], rowTokens: number, reader: Params = params): UnreadRow {
  const { rows } = packRows(prompts, { rowTokens });
  expect(rows.length).toBe(1);
  const batch = toyBatch(...rows);
  return { ...batch, features: () => batchFeatures(reader, toyConfig, toyMedia(batch)), ends: prompts.map((prompt) => endOf(rows[0]!, prompt)) };
}

/** A text of random tokens. */
function prompt(id: string, length: number): EncodedSample {
  const draw = rng("prompt", id);
  const words = (count: number): number[] => Array.from({ length: count }, () => 1 + draw.integer(29));
  return toySample({ id, prefixKey: id, prefix: words(length - 2), branch: words(2), answer: 0 });
}

function endOf({ segments }: PackedRow, { id }: EncodedSample): number {
  const { start, length } = segments.find(({ sampleId }) => sampleId === id)!;
  return start + length - 1;
}

/** The textbook way: the whole sequence anew for every token, causal, without cache or neighbours. */
function byForwardPasses(sample: EncodedSample, count: number): number[] {
  const answer: number[] = [];
  for (let step = 0; step < count; step++) answer.push(likeliestAlong(sample, [...answer, 0])[step]!);
  return answer;
}

/** What is likeliest behind the prompt and behind each token of the answer but the last, in one causal pass. */
function likeliestAlong({ prefix, branch }: EncodedSample, answer: readonly number[]): number[] {
  const prompt = [...prefix.inputIds, ...branch.inputIds];
  const ids = [...prompt, ...answer.slice(0, -1)];
  const whole = { inputIds: Int32Array.from(ids), labels: new Int32Array(ids.length).fill(-100), slots: prefix.slots };
  const batch = toyBatch(...packRows([{ id: "x", task: "erc", unit: "x", prefixKey: "x", prefix: whole, branch: { inputIds: new Int32Array(0), labels: new Int32Array(0), slots: [] }, answerTokens: 0 }], { rowTokens: ids.length }).rows);
  const causal = ids.map((_, query) => ids.map((__, key) => (key <= query ? 0 : -1e9)));
  return tidied(() => {
    const embeds_BSD = embedBatch(params, toyConfig, batch, batchFeatures(params, toyConfig, toyMedia(batch)));
    const hidden = hiddenStates(params, toyConfig, { embeds_BSD, positionIds: Int32Array.from(ids.keys()), bias_BSL: tf.tensor3d([causal]) });
    return [...tf.argMax(logitsAt(params, toyConfig, hidden, Int32Array.from(answer, (_, i) => prompt.length - 1 + i)), 1).dataSync()];
  });
}

/** Tokens that end some answers early, some late, one at once and one never. */
function stopTokens(answers: readonly (readonly number[])[]): number[] {
  const candidates = [...new Set(answers.flat())];
  const pairs = candidates.flatMap((a) => candidates.map((b) => [a, b]));
  const fitting = pairs.filter((stops) => {
    const lengths = answers.map((answer) => untilStop(answer, stops).length);
    return lengths.includes(0) && lengths.includes(MAX_NEW) && new Set(lengths).size >= 4;
  });
  expect(fitting.length).toBeGreaterThan(0);
  return fitting[0]!;
}

function untilStop(answer: readonly number[], stops: readonly number[]): number[] {
  const end = answer.findIndex((token) => stops.includes(token));
  return end < 0 ? [...answer] : answer.slice(0, end);
}

/** The store; notes the names of what is read. */
function watched(reads: string[], prefix = ""): Params {
  return {
    get: (name) => {
      reads.push(prefix + name);
      return params.get(prefix + name);
    },
    packed: (name) => params.packed(prefix + name),
    halves: (name) => params.halves(prefix + name),
    has: (name) => params.has(prefix + name),
    isTrainable: (name) => params.isTrainable(prefix + name),
    trainsWithin: (inner) => params.trainsWithin(prefix + inner),
    kept: params.kept,
    drops: (place) => params.drops(place),
    dropoutMask: (place, module, shape) => params.dropoutMask(place, prefix + module, shape),
    scope: (inner) => watched(reads, `${prefix}${inner}.`),
  };
}

import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sampleLength } from "../../src/curriculum/pack.ts";
import type { PackedRow } from "../../src/curriculum/packed-row.ts";
import { treeBias } from "../../src/curriculum/tree-mask.ts";
import { batchFeatures } from "../../src/model/batch-features.ts";
import { embedBatch, hiddenStates, logitsAt } from "../../src/model/emoverse.ts";
import { generateGreedy } from "../../src/model/generate.ts";
import type { Params, ParamStore } from "../../src/model/params.ts";
import { tidied } from "../../src/backend/tidied.ts";
import type { EncodedSample, EncodedSegment } from "../../src/text/encoded-sample.ts";
import { toyBatch, toyClipSamples, toyMedia, toyWeights } from "../train/toy-rows.ts";
import { useBackend } from "./support.ts";
import { toyConfig } from "./toy-model.ts";
import { packRows } from "../curriculum/toy-samples.ts";

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

  test("every branch of a row writes what it writes alone by whole forward passes, token by token", { timeout: TIMEOUT_MS }, () => {
    const expected = PROMPTS.map((prompt) => byForwardPasses(prompt, MAX_NEW));

    const answers = generate(PROMPTS);

    expect(answers).toEqual(expected);
    expect(answers.every(({ length }) => length === MAX_NEW)).toBe(true);
    expect(new Set(answers.map(String)).size).toBeGreaterThan(6); // they are not all alike
    expect(new Set(answers.flat()).size).toBeGreaterThan(6);
  });

  test("an answer ends before its first stop token; the others go on as if nothing had happened", { timeout: TIMEOUT_MS }, () => {
    const whole = generate(PROMPTS);
    const stops = stopTokens(whole);

    const answers = generate(PROMPTS, { stopIds: new Set(stops) });

    expect(answers).toEqual(whole.map((answer) => untilStop(answer, stops)));
    expect(new Set(answers.map(({ length }) => length)).size).toBeGreaterThanOrEqual(4); // ends at different steps
    expect(Math.min(...answers.map(({ length }) => length))).toBe(0);
    expect(Math.max(...answers.map(({ length }) => length))).toBe(MAX_NEW);
  });

  test("a shorter limit cuts the same answers, down to a single token", { timeout: TIMEOUT_MS }, () => {
    const whole = generate(PROMPTS);

    for (const maxNewTokens of [1, 2]) expect(generate(PROMPTS, { maxNewTokens })).toEqual(whole.map((answer) => answer.slice(0, maxNewTokens)));
  });

  test("another branch, another tree, padding and the order in the row change no answer", { timeout: TIMEOUT_MS }, () => {
    const whole = new Map(generate(PROMPTS).map((answer, i) => [PROMPTS[i]!.id, answer]));
    const few = [PROMPTS[8]!, PROMPTS[4]!, PROMPTS[2]!];

    expect(generate(few, { rowTokens: 97 })).toEqual(few.map(({ id }) => whole.get(id)));
  });

  test("nothing is left behind", { timeout: TIMEOUT_MS }, () => {
    generate(PROMPTS.slice(0, 2));
    const before = tf.memory().numTensors;

    generate(PROMPTS.slice(0, 2));

    expect(tf.memory().numTensors).toBe(before);
  });

  test("no more forward passes than the longest answer needs", { timeout: TIMEOUT_MS }, () => {
    const whole = generate(PROMPTS);
    const which = whole.findIndex((answer) => answer.indexOf(answer[2]!) === 2);
    const reads: string[] = [];

    generate([PROMPTS[which]!], { stopIds: new Set([whole[which]![2]!]), reader: watched(reads) });

    expect(reads.filter((name) => name === "language_model.lm_head.weight").length).toBe(3);
  });
});

interface Options {
  readonly maxNewTokens?: number;
  readonly stopIds?: ReadonlySet<number>;
  readonly rowTokens?: number;
  readonly reader?: Params;
}

/** Answers to the prompts, all in one row. */
function generate(prompts: readonly EncodedSample[], { maxNewTokens = MAX_NEW, stopIds = new Set(), rowTokens, reader = params }: Options = {}): number[][] {
  const total = prompts.reduce((sum, prompt) => sum + sampleLength(prompt), 0);
  const { rows } = packRows(prompts, { rowTokens: rowTokens ?? total });
  expect(rows.length).toBe(1);
  const batch = toyBatch(...rows);
  return tidied(() =>
    generateGreedy(reader, toyConfig, { ...batch, bias: treeBias(rows, batch.length), features: batchFeatures(reader, toyConfig, toyMedia(batch)), ends: prompts.map((prompt) => endOf(rows[0]!, prompt)), maxNewTokens, stopIds }),
  );
}

function endOf({ segments }: PackedRow, { id }: EncodedSample): number {
  const { start, length } = segments.find(({ sampleId }) => sampleId === id)!;
  return start + length - 1;
}

/** The textbook way: the whole sequence anew for every token, causal, without cache or neighbours. */
function byForwardPasses({ prefix, branch }: EncodedSample, count: number): number[] {
  const answer: number[] = [];
  for (let step = 0; step < count; step++) answer.push(nextToken(prefix, [...branch.inputIds, ...answer]));
  return answer;
}

function nextToken(prefix: EncodedSegment, rest: readonly number[]): number {
  const ids = [...prefix.inputIds, ...rest];
  const whole = { inputIds: Int32Array.from(ids), labels: new Int32Array(ids.length).fill(-100), slots: prefix.slots };
  const batch = toyBatch(...packRows([{ id: "x", task: "erc", unit: "x", prefixKey: "x", prefix: whole, branch: { inputIds: new Int32Array(0), labels: new Int32Array(0), slots: [] }, supervisedTokens: 0 }], { rowTokens: ids.length }).rows);
  const causal = ids.map((_, query) => ids.map((__, key) => (key <= query ? 0 : -1e9)));
  return tidied(() => {
    const embeds_BSD = embedBatch(params, toyConfig, batch, batchFeatures(params, toyConfig, toyMedia(batch)));
    const hidden = hiddenStates(params, toyConfig, { embeds_BSD, positionIds: Int32Array.from(ids.keys()), bias_BSL: tf.tensor3d([causal]) });
    return tf.argMax(logitsAt(params, toyConfig, hidden, Int32Array.of(ids.length - 1)), 1).dataSync()[0]!;
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
    has: (name) => params.has(prefix + name),
    isTrainable: (name) => params.isTrainable(prefix + name),
    kept: params.kept,
    scope: (inner) => watched(reads, `${prefix}${inner}.`),
  };
}

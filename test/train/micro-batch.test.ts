import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { readFloats } from "../../src/backend/host-memory.ts";
import type { Batch } from "../../src/curriculum/batch.ts";
import type { PackedRow } from "../../src/curriculum/packed-row.ts";
import type { ParamStore } from "../../src/model/params.ts";
import { type EncodedSample, sampleLength } from "../../src/text/encoded-sample.ts";
import { lossAndGradients, lossOnly, supervisedPositions } from "../../src/train/micro-batch.ts";
import { useBackend } from "../model/support.ts";
import { toyConfig } from "../model/toy-model.ts";
import { toyBatch, toyClipSamples, toyMedia, toyWeights } from "./toy-rows.ts";
import { packRows } from "../curriculum/toy-samples.ts";

/** Blocks are compiled once per shape. */
const TIMEOUT_MS = 60_000;

let params: ParamStore;

describe.each(["cpu", "onnxruntime"])("on %s", (backend) => {
  beforeEach(async () => {
    await useBackend(backend);
    params = toyWeights();
  });
  afterEach(() => params.dispose());

  test("trees in a row, with frames and sound, have the losses and the gradients of their samples alone", { timeout: TIMEOUT_MS }, async () => {
    const samples = [...toyClipSamples("a", ["msa", "erc", "fer"]), ...toyClipSamples("text b", ["ecpe", "erc"]), ...toyClipSamples("sound c", ["eri"]), ...toyClipSamples("d", ["msa", "eri"], { answer: 5 })];
    const { rows } = packRows(samples, { rowTokens: 150 });
    const packed = await outcome(rows);
    const separate = await Promise.all(samples.map((sample) => outcome([alone(sample)])));

    expect(rows.map(({ segments }) => segments.filter(({ parent }) => parent === 0).length)).toEqual([4]); // four trees in one row
    expect(rows[0]?.usedTokens).toBeLessThan(rows[0]!.inputIds.length); // and padding behind them
    expect([...packed.losses.keys()].sort()).toEqual(samples.map(({ id }) => id).sort());
    for (const { losses } of separate) for (const [id, own] of losses) expectSame(packed.losses.get(id)!, own, `losses of ${id}`);
    expectSameGradients(packed, sum(separate));
  });

  test("a batch of three rows equals its rows one at a time, though rows share a clip", { timeout: TIMEOUT_MS }, async () => {
    const samples = [...toyClipSamples("a", ["msa", "erc", "fer"], { answer: 6 }), ...toyClipSamples("c", ["eri"], { answer: 6 }), ...toyClipSamples("text b", ["ecpe"])];
    const { rows } = packRows(samples, { rowTokens: 44 });
    const together = await outcome(rows);
    const oneByOne = await Promise.all(rows.map((row) => outcome([row])));

    expect(rows.length).toBe(3);
    expect(rows.filter(({ slots }) => slots.some(({ clip }) => clip === "a")).length).toBe(2);
    expect(toyBatch(...rows).videoClips).toEqual(["a", "c"]);
    for (const { losses } of oneByOne) for (const [id, own] of losses) expectSame(together.losses.get(id)!, own, `losses of ${id}`);
    expectSameGradients(together, sum(oneByOne));
  });

  test("padding behind a row changes nothing", { timeout: TIMEOUT_MS }, async () => {
    const [sample] = toyClipSamples("a", ["eri"]);

    const short = await outcome([alone(sample!)]);
    const padded = await outcome(packRows([sample!], { rowTokens: sampleLength(sample!) + 9 }).rows);

    expectSame(padded.losses.get("a:eri")!, short.losses.get("a:eri")!, "losses");
    expectSameGradients(padded, short);
  });

  test("losses without gradients are the same losses, and nothing is left behind", { timeout: TIMEOUT_MS }, async () => {
    const batch = toyBatch(...packRows(toyClipSamples("a", ["msa", "erc"]), { rowTokens: 48 }).rows);
    const microBatch = { batch, media: toyMedia(batch) };
    await lossOnly(params, toyConfig, microBatch); // compiles, where blocks are compiled
    const before = tf.memory().numTensors;

    const losses = await lossOnly(params, toyConfig, microBatch);
    const whole = lossAndGradients(params, toyConfig, microBatch, params.names());

    expect(losses).toEqual(await readFloats(whole.losses));
    expect(losses.length).toBe(6);
    expect(tf.memory().numTensors).toBe(before + params.names().length + 1); // one gradient each, and the losses
    tf.dispose([whole.losses, ...whole.gradients.values()]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test("what a batch does not reach has the gradient zero; what is not asked for has none", { timeout: TIMEOUT_MS }, () => {
    const batch = toyBatch(...packRows(toyClipSamples("text a", ["msa"]), { rowTokens: 20 }).rows);
    const names = ["vision_model.embeddings.class_embedding", "language_model.model.norm.weight"];
    params.setTrainable(names);

    const { losses, gradients } = lossAndGradients(params, toyConfig, { batch, media: toyMedia(batch) }, names);

    expect([...gradients.keys()]).toEqual(names);
    expect(gradients.get(names[0]!)!.dataSync().every((value) => value === 0)).toBe(true);
    expect(gradients.get(names[1]!)!.dataSync().every((value) => value !== 0)).toBe(true);
    tf.dispose([losses, ...gradients.values()]);
  });

  test("a head of zeros gives ln 32 for each token", async () => {
    params.set("language_model.lm_head.weight", tf.zeros([32, 16]));
    const batch = toyBatch(...packRows(toyClipSamples("text a", ["msa"]), { rowTokens: 20 }).rows);

    const losses = await lossOnly(params, toyConfig, { batch, media: {} });

    expect(losses.length).toBe(3);
    for (const loss of losses) expect(loss).toBeCloseTo(3.465736, 5);
  });
});

test("supervised positions count through the rows of a batch", () => {
  expect([...supervisedPositions({ labels: Int32Array.of(-100, 0, 5, -100, -100, 7) })]).toEqual([1, 2, 5]);
});

interface Outcome {
  /** By sample id. */
  readonly losses: ReadonlyMap<string, readonly number[]>;
  readonly gradients: ReadonlyMap<string, Float64Array>;
}

async function outcome(rows: readonly PackedRow[]): Promise<Outcome> {
  const batch = toyBatch(...rows);
  const { losses, gradients } = lossAndGradients(params, toyConfig, { batch, media: toyMedia(batch) }, params.names());
  const values = [...gradients].map(([name, gradient]) => [name, Float64Array.from(gradient.dataSync())] as const);
  const read = (await readFloats(losses)).slice();
  tf.dispose([losses, ...gradients.values()]);
  return { losses: bySample(batch, read), gradients: new Map(values) };
}

function bySample(batch: Batch, losses: Float32Array): Map<string, number[]> {
  const samples = new Map<string, number[]>();
  supervisedPositions(batch).forEach((position, i) => {
    const row = batch.rows[Math.floor(position / batch.length)]!;
    const id = row.segments[row.segmentIds[position % batch.length]! - 1]!.sampleId!;
    samples.set(id, [...(samples.get(id) ?? []), losses[i]!]);
  });
  return samples;
}

function sum(outcomes: readonly Outcome[]): Outcome {
  const names = [...outcomes[0]!.gradients.keys()];
  const total = (name: string): Float64Array => outcomes[0]!.gradients.get(name)!.map((_, i) => outcomes.reduce((all, { gradients }) => all + gradients.get(name)![i]!, 0));
  return { losses: new Map(), gradients: new Map(names.map((name) => [name, total(name)])) };
}

function alone(sample: EncodedSample): PackedRow {
  return packRows([sample], { rowTokens: sampleLength(sample) }).rows[0]!;
}

/** Within 1e-5 of the largest. */
function expectSame(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string, scale = largest(expected)): void {
  expect(actual.length, what).toBe(expected.length);
  expect(scale, what).toBeGreaterThan(0);
  const differences = Array.from(expected, (value, i) => Math.abs(actual[i]! - value));
  expect(largest(differences) / scale, what).toBeLessThan(1e-5);
}

/** A key's bias without rotation has the gradient zero: such noise is measured by the model's gradients, all others by their own. */
function expectSameGradients(actual: Outcome, expected: Outcome): void {
  const overall = Math.max(...[...expected.gradients.values()].map(largest));
  expect(expected.gradients.size).toBe(params.names().length);
  for (const [name, gradient] of expected.gradients) {
    expectSame(actual.gradients.get(name)!, gradient, name, /(k_proj|qkv)\.bias$/.test(name) ? overall : largest(gradient));
  }
}

function largest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

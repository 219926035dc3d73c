import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runBlock } from "../../src/model/block.ts";
import type { Kept } from "../../src/backend/blocks.ts";
import { visualFeatures } from "../../src/model/emoverse.ts";
import { ParamStore } from "../../src/model/params.ts";
import { lossAndGradients } from "../../src/train/micro-batch.ts";
import { packRows } from "../curriculum/toy-samples.ts";
import { toyBatch, toyClipSamples, toyMedia, toyWeights } from "../train/toy-rows.ts";
import { randomTensor, useBackend } from "./support.ts";
import { toyConfig } from "./toy-model.ts";

/** Blocks are compiled once per shape. */
const TIMEOUT_MS = 60_000;

let params: ParamStore;

describe.each(["cpu", "onnxruntime"])("on %s", (backend) => {
  beforeEach(async () => {
    await useBackend(backend);
    params = toyWeights();
  });
  afterEach(() => params.dispose());

  test("blocks that keep their inputs alone give the losses and gradients of those that keep everything, bit for bit", { timeout: TIMEOUT_MS }, () => {
    const [kept, recomputed] = [step("intermediates"), step("inputs")];

    expect(kept.size).toBe(params.names().length + 1);
    expect([...kept].filter(([, values]) => values.every((value) => value === 0)).length).toBeLessThan(3);
    for (const [name, values] of kept) expect(recomputed.get(name), name).toEqual(values);
  });

  test("a stage that trains a part of the model gets the same part of the gradients", { timeout: TIMEOUT_MS }, () => {
    const some = params.names().filter((name) => name.includes("layers.1.") && name.endsWith(".weight"));
    const all = step("inputs");
    const part = step("inputs", some);

    expect(some.length).toBeGreaterThan(10);
    expect([...part.keys()]).toEqual(["losses", ...some]);
    for (const [name, values] of part) expect(values, name).toEqual(all.get(name));
  });

  test("steps leave no tensors behind", { timeout: TIMEOUT_MS }, () => {
    step("inputs");
    const before = tf.memory().numTensors;
    for (let i = 0; i < 3; i++) step("inputs");

    expect(tf.memory().numTensors).toBe(before);
  });

  test("a tower that is not trained keeps nothing, and the projector behind it has the same gradients", { timeout: TIMEOUT_MS }, () => {
    const projector = params.names().filter((name) => name.startsWith("mlp1."));
    const [whole, alone] = [params.names(), projector].map((trained) => projectorGradients(trained, projector));

    expect(alone?.gradients).toEqual(whole?.gradients);
    expect(whole?.gradients.length).toBe(6);
    expect(whole?.gradients.every((values) => values.some((value) => value !== 0))).toBe(true);
    expect(whole!.held).toBeGreaterThan(alone!.held + 2 * 5); // two layers, each with at least x, two norms, attention weights and gelu
    expect(projectorGradients(["language_model.model.norm.weight"], projector.slice(0, 1)).held).toBeLessThanOrEqual(3); // frames as batch, tower and projector give one result each
  });

  test("between forward and backward, a deep stack holds its blocks' inputs and the result, nothing else", { timeout: TIMEOUT_MS }, () => {
    buffersHeld("intermediates"); // compiles, where blocks are compiled
    buffersHeld("inputs");

    expect(buffersHeld("inputs")).toBe(DEPTH); // the first block's input was there before
    expect(buffersHeld("intermediates")).toBeGreaterThanOrEqual(2 * DEPTH);
  });
});

test("a block that gives two outputs cannot be trained, and says so", async () => {
  await useBackend("cpu");
  const store = new ParamStore();
  store.setTrainable([], "inputs");
  const x = tf.ones([2]);
  const two = () => runBlock({ name: "two", params: store, inputs: { x }, fn: (_, own) => [own.x, own.x] })[0]!;

  expect(() => tf.grad(two)(x)).toThrow("a trained block has one output, this one has 2");
});

function step(kept: Kept, names: readonly string[] = params.names()): Map<string, Float32Array> {
  const batch = toyBatch(...packRows([...toyClipSamples("a", ["msa", "erc"]), ...toyClipSamples("text b", ["ecpe"])], { rowTokens: 80 }).rows);
  params.setTrainable(names, kept);
  const { losses, gradients } = lossAndGradients(params, toyConfig, { batch, media: toyMedia(batch) }, names);
  const values = new Map([["losses", losses.dataSync<"float32">().slice()], ...[...gradients].map(([name, gradient]): [string, Float32Array] => [name, gradient.dataSync<"float32">().slice()])]);
  tf.dispose([losses, ...gradients.values()]);
  return values;
}

/** Gradients of the projector's weights when the named parameters are trained, and the buffers between forward and backward. */
function projectorGradients(trained: readonly string[], projector: readonly string[]): { gradients: Float32Array[]; held: number } {
  params.setTrainable(trained);
  const pixels = randomTensor("pixels", [2, 16, 16, 3]);
  let held = 0;
  const run = (): Float32Array[] => {
    const before = tf.memory().numDataBuffers;
    const features = (): tf.Tensor => tf.tidy(() => visualFeatures(params, toyConfig, pixels));
    const { value, grads } = tf.engine().gradients(
      () => {
        const visual = features();
        held = tf.memory().numDataBuffers - before;
        return tf.sum(tf.square(visual));
      },
      projector.map((name) => params.get(name)),
      undefined,
      true,
    );
    const found: readonly (tf.Tensor | undefined)[] = grads;
    const values = found.map((gradient) => gradient?.dataSync<"float32">().slice() ?? new Float32Array(1));
    tf.dispose([value, ...found.filter((gradient) => gradient !== undefined)]);
    return values;
  };
  run(); // compiles, where blocks are compiled
  const gradients = run();
  pixels.dispose();
  return { gradients, held };
}

const DEPTH = 8;

/** Buffers that a stack of gated layers has allocated when the backward pass is about to begin. */
function buffersHeld(kept: Kept): number {
  const store = new ParamStore();
  store.set("up", randomTensor("up", [24, 16]));
  store.set("down", randomTensor("down", [16, 24]));
  store.setTrainable(["up", "down"], kept);
  const x = randomTensor("x", [8, 16]);
  const before = tf.memory().numDataBuffers;
  let held = 0;
  const stack = (input: tf.Tensor): tf.Scalar => {
    const output = Array.from({ length: DEPTH }).reduce<tf.Tensor>((y) => tf.tidy(() => gatedBlock(store, y)), input);
    held = tf.memory().numDataBuffers - before;
    return tf.sum(output);
  };
  const result = tf.valueAndGrads((...[input]: tf.Tensor[]) => stack(input!))([x, store.get("up"), store.get("down")]);
  tf.dispose([result.value, ...result.grads, x]);
  store.dispose();
  return held;
}

function gatedBlock(params: ParamStore, x: tf.Tensor): tf.Tensor {
  const [output] = runBlock({
    name: "gated",
    params,
    inputs: { x },
    fn: (own, inputs) => [tf.matMul(tf.sigmoid(tf.matMul(inputs.x, own.get("up"), false, true)), own.get("down"), false, true)],
  });
  return output!;
}

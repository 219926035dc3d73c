import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { blockCompiler } from "../../src/backend/blocks.ts";
import { registerGradients } from "../../src/backend/gradients.ts";
import { selectBackend } from "../../src/backend/select.ts";
import { rng } from "../../src/core/rng.ts";
import { runBlock } from "../../src/model/block.ts";
import { tidied } from "../../src/backend/tidied.ts";
import { type Params, ParamStore } from "../../src/model/params.ts";

beforeAll(async () => {
  await selectBackend("onnxruntime");
  registerGradients();
});

const B = 2;
const S = 5;
const D = 8;
const LAYERS = 3;

test("a compiled stack of blocks equals the same ops run one by one, in value and gradients", () => {
  const params = layers();
  const names = params.names();
  params.setTrainable(names);

  const [compiled, plain] = [true, false].map((isCompiled) => trainingStep(params, names, isCompiled));

  expect(names.length).toBe(LAYERS * 3);
  for (const [name, values] of compiled ?? []) expectClose(values, plain?.get(name) ?? [], name);
});

test("layers of one shape share a compiled block, another shape gets its own", () => {
  const params = layers();
  const compiler = blockCompiler();
  const before = compiler?.size() ?? 0;
  forward(params, random([B, S, D], "x"), true).dispose();
  const afterFirst = compiler?.size() ?? 0;
  forward(params, random([B + 1, S, D], "x"), true).dispose();

  expect(afterFirst).toBeLessThanOrEqual(before + 1);
  expect((compiler?.size() ?? 0) - afterFirst).toBe(1);
});

test("a frozen weight gets no gradient and the others' do not change", () => {
  const params = layers();
  const all = params.names();
  const some = all.filter((name) => name.endsWith("up"));
  params.setTrainable(all);
  const full = trainingStep(params, all, true);
  params.setTrainable(some);
  const part = trainingStep(params, some, true);

  expect(some.length).toBe(LAYERS);
  for (const name of some) expectClose(part.get(name) ?? [], full.get(name) ?? [], name);
  expect([...part.keys()].filter((name) => name.endsWith("down"))).toEqual([]);
});

test("an optional weight changes the graph: blocks with and without it do not share one", () => {
  const plain = layers();
  const withBias = layers();
  for (let layer = 0; layer < LAYERS; layer++) withBias.set(`${layer}.bias`, tf.fill([D], 0.5));
  const x = random([B, S, D], "x");

  const difference = tf.max(tf.abs(tf.sub(forward(plain, x, true), forward(withBias, x, true)))).dataSync()[0] ?? 0;

  expect(difference).toBeGreaterThan(0.1);
  expectClose(forward(withBias, x, true).dataSync(), forward(withBias, x, false).dataSync(), "with bias");
});

test("steps leave no tensors behind", () => {
  const params = layers();
  const names = params.names();
  params.setTrainable(names);
  trainingStep(params, names, true);
  const before = tf.memory().numTensors;
  for (let step = 0; step < 5; step++) trainingStep(params, names, true);

  expect(tf.memory().numTensors).toBe(before);
});

test("an op without a graph inside a block is named", () => {
  const params = new ParamStore();

  expect(() => runBlock({ name: "bad", params, inputs: { x: tf.ones([2, 3]) }, fn: (_, { x }) => [tf.cumsum(x)] })).toThrow(
    "kernel Cumsum has no graph and cannot be part of a compiled block",
  );
});

function layers(): ParamStore {
  const params = new ParamStore();
  for (let layer = 0; layer < LAYERS; layer++) {
    params.set(`${layer}.up`, random([2 * D, D], `up${layer}`));
    params.set(`${layer}.down`, random([D, 2 * D], `down${layer}`));
    params.set(`${layer}.scale`, random([D], `scale${layer}`));
  }
  return params;
}

/** Softmax over positions, a gated product, a reshape in between: values cross from forward to backward in every way. */
function layer(params: Params, { x, bias }: { x: tf.Tensor; bias: tf.Tensor }): tf.Tensor[] {
  const [batch = 0, length = 0, width = 0] = x.shape;
  const rows = tf.reshape(tf.mul(x, params.get("scale")), [batch * length, width]);
  const up = tf.sigmoid(tf.matMul(rows, params.get("up"), false, true));
  const mixed = tf.reshape(tf.matMul(up, params.get("down"), false, true), [batch, length, width]);
  const weights = tf.softmax(tf.add(tf.matMul(mixed, mixed, false, true), bias));
  const output = tf.add(x, tf.matMul(weights, mixed));
  return [params.has("bias") ? tf.add(output, params.get("bias")) : output];
}

function forward(params: ParamStore, x: tf.Tensor, isCompiled: boolean): tf.Tensor {
  const bias = random([B, S, S], "bias");
  return tf.tidy(() => {
    let y = x;
    for (let i = 0; i < LAYERS; i++) {
      const view = params.scope(String(i));
      const inputs = { x: y, bias: tf.slice(tf.pad(bias, [[0, Math.max(0, y.shape[0] - B)], [0, 0], [0, 0]]), [0, 0, 0], [y.shape[0], S, S]) };
      y = (isCompiled ? runBlock({ name: "layer", params: view, inputs, fn: layer }) : layer(view, inputs))[0]!;
    }
    return y;
  });
}

function trainingStep(params: ParamStore, names: readonly string[], isCompiled: boolean): Map<string, number[]> {
  const x = random([B, S, D], "x");
  const result = tidied(() => {
    const { value, grads } = tf.engine().gradients(() => tf.sum(tf.square(forward(params, x, isCompiled))), names.map((name) => params.get(name)));
    return new Map([["loss", [...value.dataSync()]], ...names.map((name, i) => [name, [...grads[i]!.dataSync()]] as [string, number[]])]);
  });
  x.dispose();
  return result;
}

const constants = new Map<string, tf.Tensor>();

/** Kept for the whole file when it is a constant of the blocks, so that leak checks see steps only. */
function random(shape: number[], key: string): tf.Tensor {
  const stream = rng("compile", key, shape.join());
  const make = (): tf.Tensor => tf.tensor(Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0.5 * stream.normal()), shape);
  if (key !== "bias") return make();
  const known = constants.get(key) ?? tf.keep(make());
  constants.set(key, known);
  return known;
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  expect(actual.length, what).toBe(expected.length);
  const largest = Math.max(...Array.from(expected, Math.abs));
  const difference = Math.max(...Array.from(actual, (value, i) => Math.abs(value - (expected[i] ?? Number.NaN))));
  expect(difference / largest, what).toBeLessThan(1e-5);
}

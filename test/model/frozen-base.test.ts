import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import type { Kept } from "../../src/backend/blocks.ts";
import { halvesAsFloats, packHalves } from "../../src/backend/half-weight.ts";
import { packWeight, unpackedValues } from "../../src/backend/packed-weight.ts";
import { rng } from "../../src/core/rng.ts";
import { batchStates } from "../../src/model/batch-states.ts";
import { expectedParameters } from "../../src/model/checkpoints/expected-parameters.ts";
import { storeTensors } from "../../src/model/checkpoints/store-tensors.ts";
import { frozenBaseNotice, packsOf, refuseToTrainPacked } from "../../src/model/frozen-base.ts";
import { addLora } from "../../src/model/lora.ts";
import { type Packs, ParamStore } from "../../src/model/params.ts";
import { lossAndGradients, lossOnly } from "../../src/train/micro-batch.ts";
import { packRows } from "../curriculum/toy-samples.ts";
import { toyBatch, toyClipSamples, toyMedia, toyWeights } from "../train/toy-rows.ts";
import { randomTensor, useBackend } from "./support.ts";
import { toyConfig } from "./toy-model.ts";

/** Blocks are compiled once per shape. */
const TIMEOUT_MS = 60_000;
const QUERY = "language_model.model.layers.0.self_attn.q_proj.weight";
const INT8 = packsOf("int8");

test("packed are the matrices of the layers whose rows are whole blocks, and nothing else", () => {
  const packed = [...expectedParameters(toyConfig)].filter(([name, shape]) => INT8(name, shape)).map(([name]) => name);

  // The toy decoder's width is 16, its inner width 24; its towers are 8 wide, with 16 inside.
  const decoder = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj"];
  const expected = [0, 1].flatMap((layer) => [`vision_model.encoder.layers.${layer}.mlp.fc2.weight`, `audio_model.encoder.layers.${layer}.fc2.weight`, ...decoder.map((module) => `language_model.model.layers.${layer}.${module}.weight`)]);
  expect(packed.toSorted()).toEqual(expected.toSorted());
  expect([...expectedParameters(toyConfig)].filter(([name, shape]) => packsOf("float32")(name, shape))).toEqual([]);
  expect(INT8("language_model.model.layers.0.self_attn.q_proj.lora_A.weight", [16, 64])).toBe(false);
});

describe("compiled blocks", () => {
  beforeAll(() => useBackend("onnxruntime"));

  test.each(["intermediates", "inputs"] as const)("over packed weights, keeping %s, compute with the rounded numbers: losses and all gradients", { timeout: TIMEOUT_MS }, async (kept) => {
    const [packed, rounded, plain] = [toyAdapted(INT8, "packed"), toyAdapted(INT8, "rounded"), toyAdapted(() => false, "packed")];

    const [actual, expected, exact] = [step(packed, kept), step(rounded, kept), step(plain, kept)];

    expect(packed.packed(QUERY)).toBeDefined();
    expect(rounded.packed(QUERY)).toBeUndefined();
    expect(actual.size).toBe(1 + 2 * 14);
    for (const [name, values] of actual) expectClose(values, expected.get(name)!, name);
    expect(Math.abs(actual.get("losses")![0]! - exact.get("losses")![0]!)).toBeGreaterThan(1e-6); // rounding was felt
    expect(await lossOnly(packed, toyConfig, toyInput())).toEqual(Float32Array.from(actual.get("losses")!));
    for (const store of [packed, rounded, plain]) store.dispose();
  });

  test("layers with packed and with plain weights do not share a graph", { timeout: TIMEOUT_MS }, () => {
    const first: Packs = (name, shape) => name.includes("layers.0.") && INT8(name, shape);
    const [mixed, same] = [toyAdapted(first, "packed"), toyAdapted(first, "rounded")];

    expect(mixed.packed(QUERY)).toBeDefined();
    expect(mixed.packed(QUERY.replace("layers.0", "layers.1"))).toBeUndefined();
    expectClose(step(mixed, "intermediates").get("losses")!, step(same, "intermediates").get("losses")!, "losses");
    mixed.dispose();
    same.dispose();
  });

  test("nothing of a packed weight is kept as floats between forward and backward pass, nor after it", { timeout: TIMEOUT_MS }, () => {
    const [packed, rounded] = [toyAdapted(INT8, "packed"), toyAdapted(INT8, "rounded")];

    expect(bytesBetweenPasses(packed)).toBe(bytesBetweenPasses(rounded));
    const before = tf.memory().numTensors;
    step(packed, "intermediates");
    expect(tf.memory().numTensors).toBe(before);
    packed.dispose();
    rounded.dispose();
  });

  test("a packed weight is no tensor: reading gives the rounded numbers, and it cannot be trained", async () => {
    const before = tf.memory().numTensors;
    const values = normals(128 * 256);
    const expected = unpackedValues(packWeight(values, [128, 256]));
    const store = new ParamStore(INT8);

    store.load(QUERY, values, [128, 256]);

    const { codes, scales } = store.packed(QUERY)!;
    expect(codes.byteLength + scales.byteLength).toBe((128 * 256 * 17) / 16);
    expect(tf.memory().numTensors).toBe(before);
    expect(tf.tidy(() => store.get(QUERY).dataSync<"float32">().slice())).toEqual(expected);
    expect(await store.read(QUERY)).toEqual(expected);
    const [written] = storeTensors(store);
    expect(typeof written!.data === "function" && (await written!.data())).toEqual(expected);
    expect([store.has(QUERY), store.names(), store.shapes().get(QUERY), store.shapeOf(QUERY), store.count()]).toEqual([true, [QUERY], [128, 256], [128, 256], 128 * 256]);
    expect(() => store.setTrainable([QUERY])).toThrow(`"${QUERY}" is kept in 8 bits and cannot be trained`);
    expect(() => store.shapeOf("nothing")).toThrow(`no parameter "nothing"`);
    store.set(QUERY, randomTensor("again", [128, 256])); // a checkpoint's own numbers stay as they are
    expect(store.packed(QUERY)).toBeUndefined();
    store.delete(QUERY);
    store.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

test("a backend that runs op by op keeps the rounded numbers as floats, and says so", async () => {
  await useBackend("cpu");
  const store = new ParamStore(INT8);
  const values = normals(128 * 256);
  const expected = unpackedValues(packWeight(values, [128, 256]));

  store.load(QUERY, values, [128, 256]);

  expect(store.packed(QUERY)).toBeUndefined();
  expect(store.get(QUERY).dataSync()).toEqual(expected);
  expect(frozenBaseNotice("int8")).toBe("model.frozenBase int8: the backend cpu keeps every weight as float32; the numbers are rounded as they would be in 8 bits, but take as much memory as before");
  expect(frozenBaseNotice("float32")).toBeUndefined();
  store.dispose();
});

test.each(["cpu", "onnxruntime"])("the backend %s keeps the numbers of a base in half precision as floats, and says so", async (name) => {
  await useBackend(name);
  const store = new ParamStore(packsOf("float16"));
  const values = normals(128 * 256);

  store.load(QUERY, values.slice(), [128, 256]);

  expect(store.halves(QUERY)).toBeUndefined();
  expect(store.get(QUERY).dataSync()).toEqual(halvesAsFloats(packHalves(values)!));
  expect(frozenBaseNotice("float16")).toBe(`model.frozenBase float16: the backend ${name} keeps every weight as float32; the numbers are rounded as they would be in half precision, but take as much memory as before`);
  store.dispose();
});

test("both backends compute the same loss from a model that is loaded in 8 bits", { timeout: TIMEOUT_MS }, async () => {
  const losses: Float32Array[] = [];
  for (const name of ["onnxruntime", "cpu"]) {
    await useBackend(name);
    const store = toyAdapted(INT8, "packed");
    expect(store.packed(QUERY) !== undefined).toBe(name === "onnxruntime");
    losses.push(await lossOnly(store, toyConfig, toyInput()));
    store.dispose();
  }
  expectClose([...losses[0]!], [...losses[1]!], "losses");
});

test("what is packed cannot be trained", () => {
  const shapes = expectedParameters(toyConfig);
  const where = "stages.one.trainable";

  expect(() => refuseToTrainPacked("int8", { shapes, trained: ["mlp1.1.weight", QUERY, QUERY.replace("q_proj", "v_proj")], where })).toThrow(
    `ConfigError stages.one.trainable: 2 of the trained parameters are kept in 8 bits (model.frozenBase: int8), first "${QUERY}".\n  Match adapters and projectors only, or set model.frozenBase: float32.`,
  );
  expect(() => refuseToTrainPacked("float16", { shapes, trained: [QUERY], where })).toThrow("1 of the trained parameters are kept in half precision (model.frozenBase: float16)");
  expect(() => refuseToTrainPacked("int8", { shapes, trained: ["mlp1.1.weight"], where })).not.toThrow();
  expect(() => refuseToTrainPacked("float32", { shapes, trained: [QUERY], where })).not.toThrow();
});

/** The toy model with adapters that act; what `packs` names is packed as it is loaded, or is there as its rounded numbers. */
function toyAdapted(packs: Packs, how: "packed" | "rounded"): ParamStore {
  const plain = toyWeights();
  const store = new ParamStore(how === "packed" ? packs : undefined);
  for (const name of plain.names()) {
    const shape = plain.shapeOf(name);
    const values = plain.get(name).dataSync<"float32">().slice();
    store.load(name, how === "rounded" && packs(name, shape) ? unpackedValues(packWeight(values, shape)) : values, shape);
  }
  plain.dispose();
  addLora(store, { rank: 2, alpha: 2, targets: "language_model\\..*_proj" }, 1);
  for (const name of store.names().filter((one) => one.endsWith("lora_B.weight"))) store.set(name, randomTensor(name, [...store.shapeOf(name)], 0.3));
  return store;
}

function toyInput() {
  const batch = toyBatch(...packRows([...toyClipSamples("a", ["msa", "erc"]), ...toyClipSamples("text b", ["ecpe"])], { rowTokens: 80 }).rows);
  return { batch, media: toyMedia(batch) };
}

function adapterNames(store: ParamStore): string[] {
  return store.names().filter((name) => name.includes("lora_") && !name.endsWith("lora_scale"));
}

function step(store: ParamStore, kept: Kept): Map<string, number[]> {
  const names = adapterNames(store);
  store.setTrainable(names, kept);
  const { losses, gradients } = lossAndGradients(store, toyConfig, toyInput(), names);
  const values = new Map([["losses", [...losses.dataSync()]], ...[...gradients].map(([name, gradient]): [string, number[]] => [name, [...gradient.dataSync()]])]);
  tf.dispose([losses, ...gradients.values()]);
  return values;
}

/** What the forward pass of a training step holds for its backward pass. */
function bytesBetweenPasses(store: ParamStore): number {
  const names = adapterNames(store);
  store.setTrainable(names, "intermediates");
  let held = 0;
  tf.tidy(() => {
    const before = tf.memory().numBytes;
    tf.engine().gradients(
      () => {
        const states = batchStates(store, toyConfig, toyInput());
        held = tf.memory().numBytes - before;
        return tf.sum(states);
      },
      names.map((name) => store.get(name)),
      undefined,
      true,
    );
  });
  expect(held).toBeGreaterThan(10_000);
  return held;
}

function normals(length: number): Float32Array {
  const draw = rng("normals");
  return Float32Array.from({ length }, () => draw.normal());
}

/** Within 1e-5 of the largest. */
function expectClose(actual: readonly number[], expected: readonly number[], what: string): void {
  const largest = Math.max(...expected.map(Math.abs));
  expect(largest, what).toBeGreaterThan(0);
  expect(actual.length, what).toBe(expected.length);
  expect(Math.max(...actual.map((value, i) => Math.abs(value - expected[i]!))) / largest, what).toBeLessThan(1e-5);
}

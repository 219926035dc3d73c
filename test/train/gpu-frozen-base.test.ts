import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import type { Kept } from "../../src/backend/blocks.ts";
import { halvedBytes, halvesAsFloats, packHalves } from "../../src/backend/half-weight.ts";
import { frozenBaseNotice, packsOf } from "../../src/model/frozen-base.ts";
import { LORA_SCALE } from "../../src/model/linear.ts";
import { addLora, isLora, mergeLora } from "../../src/model/lora.ts";
import { ParamStore } from "../../src/model/params.ts";
import { estimateMemory } from "../../src/train/memory-estimate.ts";
import { lossAndGradients } from "../../src/train/micro-batch.ts";
import { describeOnGpu, gpuBackend, normals, useGpu, valuesOf } from "../backend/webgpu/software-gpu.ts";
import { packRows } from "../curriculum/toy-samples.ts";
import { toyConfig } from "../model/toy-model.ts";
import { toyBatch, toyClipSamples, toyMedia, toyWeights } from "./toy-rows.ts";

const TIMEOUT_MS = 120_000;
const FLOAT16 = packsOf("float16");
const QUERY = "language_model.model.layers.0.self_attn.q_proj.weight";

interface Numbers {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** Of the toy model; made on the host. */
let numbers: readonly Numbers[] = [];

describeOnGpu("a frozen base in half precision on a GPU", () => {
  beforeAll(async () => {
    await tf.setBackend("cpu");
    const plain = toyWeights();
    numbers = plain.names().map((name) => ({ name, shape: plain.shapeOf(name), values: plain.get(name).dataSync<"float32">().slice() }));
    plain.dispose();
    await useGpu();
  });

  test.each<Kept>(["intermediates", "inputs"])("losses and the adapters' gradients are, bit for bit, those over the rounded numbers, with %s kept", { timeout: TIMEOUT_MS }, async (kept) => {
    const [halves, rounded, plain] = [adapted("halves"), adapted("rounded"), adapted("plain")];

    const [actual, expected, exact] = [await step(halves, kept), await step(rounded, kept), await step(plain, kept)];

    expect(matrices().every(({ name }) => halves.halves(name) !== undefined && rounded.halves(name) === undefined)).toBe(true);
    expect(actual.size).toBe(1 + 2 * 14);
    expect(actual).toEqual(expected);
    expect(actual.get("losses")).not.toEqual(exact.get("losses")); // rounding was felt
    for (const store of [halves, rounded, plain]) store.dispose();
  });

  test("it takes two bytes a number of the card's memory, as the estimate says, and gives all of them back", { timeout: TIMEOUT_MS }, async () => {
    const [atFirst, tensors] = [used(), tf.memory().numTensors];
    const halves = await uploaded("halves");
    const withHalves = used() - atFirst;
    halves.dispose();
    const plain = await uploaded("plain");
    const withFloats = used() - atFirst;
    plain.dispose();

    const saved = matrices().reduce((sum, { shape }) => sum + 2 * shape[0]! * shape[1]!, 0);
    expect(withFloats - withHalves).toBe(saved);
    expect(saved).toBeGreaterThan(5000);
    expect([used() - atFirst, tf.memory().numTensors]).toEqual([0, tensors]);
    const input = { config: toyConfig, shapes: new Map(numbers.map(({ name, shape }) => [name, shape])), trained: [], batch: { rows: 0, length: 0, supervised: 0, frames: 0, sounds: 0 }, batches: 1, accumulation: 1, kept: "inputs", clipBytes: 0, place: "fused-gpu" } as const;
    expect(estimateMemory({ ...input, frozenBase: "float16" }).weights * 1e6).toBeCloseTo(withHalves, 3);
    expect(estimateMemory({ ...input, frozenBase: "float32" }).weights * 1e6).toBeCloseTo(withFloats, 3);
  });

  test("a weight in halves is read as its rounded numbers, merged with its adapter, and cannot be trained", { timeout: TIMEOUT_MS }, async () => {
    const [store, rounded] = [adapted("halves"), adapted("rounded")];
    const expected = await rounded.read(QUERY);
    const before = tf.memory().numTensors;

    expect(frozenBaseNotice("float16")).toBeUndefined();
    expect(await store.read(QUERY)).toEqual(expected);
    expect(tf.memory().numTensors).toBe(before);
    expect([store.shapeOf(QUERY), store.shapes().get(QUERY), halvedBytes(store.shapeOf(QUERY))]).toEqual([[16, 16], [16, 16], store.halves(QUERY)!.size * 4]);
    expect(() => store.setTrainable([QUERY])).toThrow(`"${QUERY}" is kept in halves and cannot be trained`);
    mergeLora(store);
    mergeLora(rounded);
    expect(await store.read(QUERY)).toEqual(await rounded.read(QUERY));
    expect(await store.read(QUERY)).not.toEqual(expected);
    store.dispose();
    rounded.dispose();
  });

  test("a matrix with a number beyond halves stays as it is", async () => {
    const store = new ParamStore(FLOAT16);
    const values = normals("large", 64).fill(64, 7, 8);

    store.load(QUERY, values.slice(), [8, 8]);

    expect(store.halves(QUERY)).toBeUndefined();
    expect(await store.read(QUERY)).toEqual(values);
    store.dispose();
  });
});

function matrices(): readonly Numbers[] {
  return numbers.filter(({ name, shape }) => FLOAT16(name, shape) !== false);
}

function store(how: "halves" | "rounded" | "plain"): ParamStore {
  const params = new ParamStore(how === "halves" ? FLOAT16 : undefined);
  for (const { name, shape, values } of numbers) params.load(name, how === "rounded" && FLOAT16(name, shape) !== false ? halvesAsFloats(packHalves(values)!) : values.slice(), shape);
  return params;
}

/** With adapters that act. */
function adapted(how: "halves" | "rounded" | "plain"): ParamStore {
  const params = store(how);
  for (const module of addLora(params, { rank: 2, alpha: 2, targets: "language_model\\..*_proj" }, 1)) {
    const name = `${module}.lora_B.weight`;
    params.set(name, tf.tensor(normals(name, params.shapeOf(name).reduce((a, b) => a * b), 0.3), [...params.shapeOf(name)]));
  }
  return params;
}

/** Every weight on the card. */
async function uploaded(how: "halves" | "plain"): Promise<ParamStore> {
  const params = store(how);
  for (const { name } of numbers) gpuBackend().uploadToGPU((params.halves(name) ?? params.get(name)).dataId);
  // What the numbers went through on their way is freed with the next command.
  await valuesOf([tf.tidy(() => tf.add(tf.scalar(1), 1))]);
  return params;
}

function used(): number {
  return (gpuBackend().bufferManager as unknown as { readonly numBytesUsed: number }).numBytesUsed;
}

async function step(params: ParamStore, kept: Kept): Promise<Map<string, Float32Array>> {
  const names = params.names().filter((name) => isLora(name) && !name.endsWith(`.${LORA_SCALE}`));
  params.setTrainable(names, kept);
  const batch = toyBatch(...packRows([...toyClipSamples("a", ["msa", "erc"]), ...toyClipSamples("text b", ["ecpe"])], { rowTokens: 80 }).rows);
  const { losses, gradients } = lossAndGradients(params, toyConfig, { batch, media: toyMedia(batch) }, names);
  const values = await valuesOf([losses, ...gradients.values()]);
  return new Map(["losses", ...gradients.keys()].map((name, i) => [name, values[i]!]));
}

import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { exportCheckpoint, type ExportFormat, type ExportResult } from "../../src/app/index.ts";
import { logitDifference, promptLogits } from "../../src/app/fixed-prompts.ts";
import { writeRunConfig } from "../../src/app/run-folder.ts";
import { startStage } from "../../src/app/stage-weights.ts";
import { type RunConfig, runConfigSchema } from "../../src/config/index.ts";
import { packWeight, unpackedValues } from "../../src/backend/packed-weight.ts";
import { loadWeights, readModelFolder } from "../../src/model/checkpoints/hf-folder.ts";
import { readAdapter } from "../../src/model/checkpoints/peft.ts";
import type * as shardedFolder from "../../src/model/checkpoints/sharded-folder.ts";
import { openSafetensors } from "../../src/model/checkpoints/safetensors.ts";
import { storeTensors } from "../../src/model/checkpoints/store-tensors.ts";
import { openWeightFiles } from "../../src/model/checkpoints/weight-files.ts";
import type { StoredTensor, TensorToWrite } from "../../src/model/checkpoints/write-safetensors.ts";
import { writeSafetensors } from "../../src/model/checkpoints/write-safetensors.ts";
import { hiddenStates, logitsAt, visualFeatures } from "../../src/model/emoverse.ts";
import { isLora } from "../../src/model/lora.ts";
import { ParamStore } from "../../src/model/params.ts";
import { adamwUpdate, type AdamWState } from "../../src/train/adamw.ts";
import { saveCheckpoint } from "../../src/train/checkpoint.ts";
import { goldenPath } from "../golden/golden.ts";
import { randomTensor, useBackend } from "../model/support.ts";
import { temporaryFolder } from "../temporary-folder.ts";

/** The golden vocabularies are smaller than the bytes. */
const TOKENIZER = { vocabSize: 90, startIds: [1], controlTokens: [], encode: (text: string) => Int32Array.from(text, (letter) => letter.charCodeAt(0) % 90), decode: () => "", idOf: () => 2 };
const disk = vi.hoisted((): { isBad: boolean } => ({ isBad: false }));
vi.mock("../../src/text/tokenizer.ts", () => ({ loadTokenizer: () => Promise.resolve(TOKENIZER) }));
vi.mock("../../src/model/checkpoints/sharded-folder.ts", async (original) => {
  const real = await original<typeof shardedFolder>();
  const damaged = (tensors: readonly (TensorToWrite | StoredTensor)[]): (TensorToWrite | StoredTensor)[] =>
    tensors.map((tensor) => (disk.isBad && tensor.name === "mlp1.3.bias" ? { name: tensor.name, shape: tensor.shape, data: new Float32Array(tensor.shape[0] ?? 0).fill(1) } : tensor));
  return { ...real, writeShards: (folder: string, tensors: readonly (TensorToWrite | StoredTensor)[]) => real.writeShards(folder, damaged(tensors), 60_000) };
});

const DECODER = "language_model\\.model\\.layers\\..*";
const signal = new AbortController().signal;

beforeAll(() => useBackend("onnxruntime"));

/** Of one decoder layer: Qwen2 has seven separate maps; InternLM2's wqkv and Phi-3's qkv and gate_up are fused and have one A each. */
const SETS = [["internvl2-qwen2", 7], ["internvl2-internlm2", 5], ["internvl2-phi3", 4], ["internvl-hf-qwen2", 7]] as const;

describe.each(SETS)("%s, trained for two steps", (set, perLayer) => {
  test("exported to PEFT and read again, it has the same logits, bit for bit", async () => {
    const { checkpoint, logits, base, folder } = await trained({ folder: goldenPath(set) });

    const { out, result } = await exported(checkpoint, "peft");

    const model = await readModelFolder(folder);
    const again = new ParamStore();
    await loadWeights(model, again);
    const before = await promptLogits(again, model.config, TOKENIZER);
    const read = await readAdapter(out, again, base);
    expect(read.modules.length).toBe(2 * perLayer);
    expect(read.baseModel).toBe(folder);
    expect(read.whole.every((name) => name.startsWith("mlp1."))).toBe(true);
    expect(await promptLogits(again, model.config, TOKENIZER)).toEqual(logits);
    expect(logitDifference(logits, before).difference).toBeGreaterThan(0.01);
    again.dispose();
    expect(result).toMatchObject({ format: "peft", adapters: 2 * perLayer, alsoTrained: 6, files: ["adapter_config.json", "adapter_model.safetensors"] });
    expect(JSON.parse(await readFile(join(out, "adapter_config.json"), "utf8"))).toMatchObject({ r: 2, lora_alpha: 8, lora_dropout: 0.05, base_model_name_or_path: folder, modules_to_save: [set.includes("hf") ? "model.multi_modal_projector" : "mlp1"] });
  });

  test("merged, it is a folder of shards in the layout of the original, whose logits are those of base with adapters", async () => {
    const { checkpoint, logits, folder } = await trained({ folder: goldenPath(set) });

    const { out, result } = await exported(checkpoint, "merged");

    const model = await readModelFolder(out);
    const merged = new ParamStore();
    await loadWeights(model, merged);
    expect(merged.names().filter(isLora)).toEqual([]);
    const { difference } = logitDifference(logits, await promptLogits(merged, model.config, TOKENIZER));
    expect(difference).toBeLessThan(1e-4);
    expect(result.logits?.difference).toBe(difference);
    merged.dispose();
    const [original, written] = [await openWeightFiles(folder), await openWeightFiles(out)];
    expect([...written.tensors.keys()].sort()).toEqual([...original.tensors.keys()].filter((name) => !name.endsWith("inv_freq")).sort());
    const shards = (await readdir(out)).filter((name) => name.endsWith(".safetensors"));
    expect(shards.length).toBeGreaterThan(1);
    expect(shards[0]).toBe(`model-00001-of-${String(shards.length).padStart(5, "0")}.safetensors`);
    expect(await readFile(join(out, "config.json"))).toEqual(await readFile(join(folder, "config.json")));
    await Promise.all([original.close(), written.close()]);
  });
});

test("weights that training left alone keep their type and every bit", async () => {
  const folder = await halfPrecisionFolder();
  const { checkpoint } = await trained({ folder });

  const { out } = await exported(checkpoint, "merged");

  const [original, written] = [await openWeightFiles(folder), await openWeightFiles(out)];
  const types = new Map<string, number>();
  for (const [name, file] of original.tensors) {
    const after = written.tensors.get(name)!;
    const isTouched = /^(language_model\..*_proj\.weight$|mlp1\.)/.test(name);
    expect(after.info(name).dtype, name).toBe(isTouched ? "F32" : "BF16");
    if (!isTouched) expect(await after.readBytes(name)).toEqual(await file.readBytes(name));
    types.set(after.info(name).dtype, (types.get(after.info(name).dtype) ?? 0) + 1);
  }
  expect(types.get("F32")).toBe(14 + 6);
  await Promise.all([original.close(), written.close()]);
});

test("trained beside weights of 8 bits, it is merged with the rounded ones, those of the tower and of layers without adapters too", async () => {
  const { checkpoint, logits, folder } = await trained({ folder: goldenPath("internvl2-qwen2"), targets: "language_model\\..*\\.q_proj", frozenBase: "int8" });

  const { out } = await exported(checkpoint, "merged");

  const model = await readModelFolder(out);
  const [merged, unrounded] = [new ParamStore(), new ParamStore()];
  await loadWeights(model, merged);
  await loadWeights(await readModelFolder(folder), unrounded);
  expect(logitDifference(logits, await promptLogits(merged, model.config, TOKENIZER)).difference).toBeLessThan(1e-4);
  for (const name of ["vision_model.encoder.layers.0.attn.qkv.weight", "language_model.model.layers.1.mlp.up_proj.weight"]) {
    const original = await unrounded.read(name);
    expect(await merged.read(name)).toEqual(unpackedValues(packWeight(original, unrounded.shapeOf(name))));
    expect(await merged.read(name)).not.toEqual(original);
  }
  const head = "language_model.model.embed_tokens.weight";
  expect(await merged.read(head)).toEqual(await unrounded.read(head));
  merged.dispose();
  unrounded.dispose();
});

test("a projector with adapters of its own is exported by its whole name: a number alone would name layers", async () => {
  const { checkpoint, logits, folder } = await trained({ folder: goldenPath("internvl2-qwen2"), targets: `${DECODER}|mlp1\\..*`, trains: isLora });

  const { out } = await exported(checkpoint, "peft");

  expect(JSON.parse(await readFile(join(out, "adapter_config.json"), "utf8"))).toMatchObject({ target_modules: ["down_proj", "gate_proj", "k_proj", "mlp1.1", "mlp1.3", "o_proj", "q_proj", "up_proj", "v_proj"], modules_to_save: null });
  const model = await readModelFolder(folder);
  const again = new ParamStore();
  await loadWeights(model, again);
  await readAdapter(out, again);
  expect(await promptLogits(again, model.config, TOKENIZER)).toEqual(logits);
  again.dispose();
});

test("what PEFT has no form for is refused, and a folder that is not empty; nothing is left behind", async () => {
  const both = await trained({ folder: goldenPath("internvl2-qwen2"), targets: `${DECODER}|mlp1\\.1` });
  const none = await trained({ folder: goldenPath("internvl2-qwen2"), targets: undefined });
  const random = await trained({ folder: goldenPath("internvl2-qwen2"), init: "random" });
  const parent = await temporaryFolder();
  const out = join(parent, "out");
  const run = (checkpoint: string, format: ExportFormat = "peft"): Promise<ExportResult> => exportCheckpoint({ checkpoint, out, format, backend: "onnxruntime", signal });

  await expect(run(both.checkpoint)).rejects.toThrow(/^CheckpointError \S+: 1 modules have an adapter and a weight that differs from the base model's, first "mlp1\.1": PEFT has no form for both\.\n {2}Export with --format merged\.$/);
  await expect(run(none.checkpoint)).rejects.toThrow(/^CheckpointError \S+step-000002: this checkpoint has no adapters\.\n {2}Export with --format merged\.$/);
  await expect(run(random.checkpoint)).rejects.toThrow("its base model was started at random and is in no folder that PEFT could load.\n  Export with --format merged.");
  disk.isBad = true;
  await expect(run(both.checkpoint, "merged")).rejects.toThrow(/^SystemError \S+: the merged model, read again, is not base with adapters\. Got logits that differ by \d\.\de[+-]\d+, expected at most \d\.\de-\d\.\n {2}Nothing was written\./);
  disk.isBad = false;
  expect(await readdir(parent)).toEqual([]);

  await mkdir(out);
  await writeFile(join(out, "mine.txt"), "x");
  await expect(run(both.checkpoint)).rejects.toThrow(`ConfigError ${out}: --out is not empty, it holds "mine.txt".\n  Name a new folder, or delete this one.`);
  expect(await readdir(out)).toEqual(["mine.txt"]);
  expect(await readdir(parent)).toEqual(["out"]);
});

test("a random start is exported whole, and an empty folder may be there", async () => {
  const { checkpoint, logits } = await trained({ folder: goldenPath("internvl2-qwen2"), init: "random" });

  const { out, result } = await exported(checkpoint, "merged", { isThere: true });

  expect(result.files).toEqual(expect.arrayContaining(["config.json", "model.safetensors.index.json"]));
  const merged = new ParamStore();
  await loadWeights(await readModelFolder(out), merged);
  expect(logitDifference(logits, await promptLogits(merged, (await readModelFolder(out)).config, TOKENIZER)).difference).toBeLessThan(1e-4);
  merged.dispose();
});

interface Training {
  readonly folder: string;
  readonly targets?: string | undefined;
  readonly init?: "weights" | "random";
  readonly frozenBase?: RunConfig["model"]["frozenBase"];
  readonly trains?: (name: string) => boolean;
}

interface Trained {
  /** Its folder. */
  readonly checkpoint: string;
  readonly logits: readonly Float32Array[];
  readonly base: string;
  readonly folder: string;
}

/** A run whose only stage was trained for two steps: adapters on the decoder, and the projector whole. */
async function trained(training: Training): Promise<Trained> {
  const { folder, init = "weights", frozenBase = "float32", trains = (name: string) => isLora(name) || name.startsWith("mlp1.") } = training;
  const targets = "targets" in training ? training.targets : DECODER;
  const lora = targets === undefined ? {} : { lora: { targets, rank: 2, alpha: 8, dropout: 0.05 } };
  const config: RunConfig = runConfigSchema.parse({
    name: "golden", seed: 3, backend: "onnxruntime", data: { root: "none" }, model: { folder, init, frozenBase },
    stages: [{ name: "see", mixture: { msa: 1 }, trainable: [{ match: ".*", learningRate: 1e-2 }], ...lora }],
  });
  const model = await readModelFolder(folder);
  const runDir = await temporaryFolder();
  const { params, base } = await startStage(config, config.stages[0]!, { folder: model, runDir });
  const names = params.names().filter((name) => trains(name) && !name.endsWith("lora_scale"));
  params.setTrainable(names);
  const moments: AdamWState = new Map();
  for (let step = 0; step < 2; step++) await trainStep(params, model.config, { names, moments });
  const changed = [...names, ...params.names().filter((name) => name.endsWith("lora_scale"))];
  await writeRunConfig(runDir, config);
  const state = { stage: "see", step: 2, steps: 2, epoch: 1, seed: 3, configHash: "-", lineage: { base, parent: null }, best: null };
  const { folder: checkpoint } = await saveCheckpoint(join(runDir, "stage-1"), { weights: storeTensors(params, changed), optimizer: new Map(), state });
  const logits = await promptLogits(params, model.config, TOKENIZER);
  params.dispose();
  return { checkpoint, logits, base, folder };
}

async function trainStep(params: ParamStore, config: Awaited<ReturnType<typeof readModelFolder>>["config"], { names, moments }: { names: readonly string[]; moments: AdamWState }): Promise<void> {
  const size = config.vision_config.image_size;
  const loss = (): tf.Scalar => {
    const visual = visualFeatures(params, config, randomTensor("pixels", [1, size, size, 3]));
    const [length = 0, width = 0] = visual.shape;
    const causal = Float32Array.from({ length: length * length }, (_, at) => (at % length <= Math.floor(at / length) ? 0 : -1e9));
    const hidden = hiddenStates(params, config, { embeds_BSD: tf.reshape(visual, [1, length, width]), positionIds: Int32Array.from({ length }, (_, i) => i), bias_BSL: tf.tensor(causal, [1, length, length]) });
    return tf.mean<tf.Scalar>(tf.square(logitsAt(params, config, hidden, Int32Array.from({ length }, (_, i) => i))));
  };
  const { value, grads } = tf.valueAndGrads(loss)(names.map((name) => params.get(name)));
  const gradients = new Map(names.map((name, i) => [name, grads[i] ?? value]));
  await adamwUpdate(params, moments, { gradients, gradientScale: 1, learningRate: () => 2e-2, decays: () => true, options: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 } });
  tf.dispose([value, ...grads]);
}

async function exported(checkpoint: string, format: ExportFormat, { isThere = false } = {}): Promise<{ out: string; result: ExportResult }> {
  const parent = await temporaryFolder();
  const out = join(parent, "new", "out");
  if (isThere) await mkdir(out, { recursive: true });
  const before = tf.memory().numTensors;
  const result = await exportCheckpoint({ checkpoint, out, format, backend: "onnxruntime", signal });
  expect(tf.memory().numTensors).toBe(before);
  expect(await readdir(join(parent, "new"))).toEqual([basename(out)]);
  expect(result.files).toEqual((await readdir(out)).sort());
  return { out, result };
}

/** The golden Qwen2 model rounded to bfloat16, as published models are. */
async function halfPrecisionFolder(): Promise<string> {
  const folder = join(await temporaryFolder(), "model");
  await mkdir(folder);
  await writeFile(join(folder, "config.json"), await readFile(goldenPath("internvl2-qwen2", "config.json")));
  const file = await openSafetensors(goldenPath("internvl2-qwen2", "model.safetensors"));
  const tensors = file.names.map((name): StoredTensor => ({
    name,
    shape: file.info(name).shape,
    dtype: "BF16",
    bytes: async () => new Uint8Array(Uint16Array.from(new Uint16Array((await file.readFloats(name)).buffer).filter((_, i) => i % 2 === 1)).buffer),
  }));
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  await file.close();
  return folder;
}

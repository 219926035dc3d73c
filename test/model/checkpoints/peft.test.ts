import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { randomNormal, tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { loadWeights, readModelFolder } from "../../../src/model/checkpoints/hf-folder.ts";
import { readAdapter } from "../../../src/model/checkpoints/peft.ts";
import { openSafetensors } from "../../../src/model/checkpoints/safetensors.ts";
import { writeAdapter } from "../../../src/model/checkpoints/write-peft.ts";
import { writeSafetensors, type TensorToWrite } from "../../../src/model/checkpoints/write-safetensors.ts";
import { addLora, isLora } from "../../../src/model/lora.ts";
import type { ParamStore } from "../../../src/model/params.ts";
import { goldenPath } from "../../golden/golden.ts";
import { temporaryFolder } from "../../temporary-folder.ts";
import { emptyStore, toyStore } from "../toy-model.ts";

const PREFIX = "base_model.model.";
const QUERY = "language_model.model.layers.0.self_attn.q_proj";

test.each([
  ["internvl2-qwen2", 14],
  ["internvl2-internlm2", 10],
])("PEFT's own adapter is read and written back byte for byte: %s", async (set, count) => {
  const store = await goldenStore(set);
  const folder = await temporaryFolder();

  const { modules } = await readAdapter(goldenPath(set, "lora"), store);
  await writeAdapter(folder, store, { baseModel: "base", alsoTrained: [] });

  expect(modules.length).toBe(count);
  const [original, written] = await Promise.all([openSafetensors(goldenPath(set, "lora", "adapter_model.safetensors")), openSafetensors(join(folder, "adapter_model.safetensors"))]);
  expect([...written.names].sort()).toEqual([...original.names].sort());
  for (const key of original.names) {
    expect(await written.read(key)).toEqual(await original.read(key));
    expect(store.get(key.slice(PREFIX.length)).dataSync()).toEqual(await original.read(key));
  }
  // r 4, alpha 8.
  for (const module of modules) expect([...store.get(`${module}.lora_scale`).dataSync()]).toEqual([2]);
  expect(JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"))).toMatchObject({ peft_type: "LORA", r: 4, lora_alpha: 8, rank_pattern: {}, alpha_pattern: {}, base_model_name_or_path: "base" });
  await Promise.all([original.close(), written.close()]);
});

test("target modules are written as endings where these single the adapted ones out, else whole", async () => {
  const qwen = await goldenStore("internvl2-qwen2");
  await readAdapter(goldenPath("internvl2-qwen2", "lora"), qwen);
  const toy = await toyStore();
  addLora(toy, { rank: 2, alpha: 8, targets: "language_model.*q_proj" }, 1);

  const [endings, whole] = [await writtenConfig(qwen), await writtenConfig(toy)];

  expect(endings).toMatchObject({ target_modules: ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"] });
  // The audio tower has q_proj too.
  expect(whole).toMatchObject({ target_modules: [QUERY, QUERY.replace("0", "1")] });
});

test("ranks and scales that differ by module survive, and modules trained whole travel along", async () => {
  const [store, again] = [await toyStore(1), await toyStore(2)];
  addLora(store, { rank: 2, alpha: 8, targets: ["q_proj"] }, 1);
  addLora(store, { rank: 4, alpha: 2, targets: ["v_proj"] }, 1);
  store.set(`${QUERY}.lora_B.weight`, randomNormal([16, 2], 0, 1, "float32", 3));
  const folder = await temporaryFolder();

  await writeAdapter(folder, store, { baseModel: "base", alsoTrained: ["mlp1.1.weight", "mlp1.1.bias"] });
  await readAdapter(folder, again);

  const names = [...store.names().filter(isLora), "mlp1.1.weight"];
  expect(names.length).toBe(8 * 3 + 1);
  for (const name of names) expect(again.get(name).dataSync(), name).toEqual(store.get(name).dataSync());
  expect(JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"))).toMatchObject({ modules_to_save: ["mlp1.1"] });
});

test("an adapter of the language model alone, with rank-stabilised scale and live names, is understood", async () => {
  const store = await toyStore();
  const folder = await adapterFolder({ r: 4, lora_alpha: 8, use_rslora: true }, [
    { name: "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight", shape: [4, 16], data: new Float32Array(64).fill(2) },
    { name: "base_model.model.model.layers.0.self_attn.q_proj.lora_B.default.weight", shape: [16, 4], data: new Float32Array(64) },
  ]);

  expect((await readAdapter(folder, store)).modules).toEqual([QUERY]);
  // alpha / sqrt(r)
  expect([...store.get(`${QUERY}.lora_scale`).dataSync()]).toEqual([4]);
  expect(store.get(`${QUERY}.lora_A.weight`).dataSync()[0]).toBe(2);
});

test("unknown modules, wrong shapes and missing halves are told together, and nothing is changed", async () => {
  const store = await toyStore();
  const half = (name: string, shape: readonly number[]): TensorToWrite => ({ name: `${PREFIX}${name}`, shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });
  const folder = await adapterFolder({ r: 2, lora_alpha: 8 }, [
    half(`${QUERY}.lora_A.weight`, [2, 16]),
    half(`${QUERY}.lora_B.weight`, [16, 3]),
    half(`${QUERY.replace("q_proj", "v_proj")}.lora_A.weight`, [2, 16]),
    half(`${QUERY.replace("q_proj", "w_proj")}.lora_A.weight`, [2, 16]),
    half("mlp7.1.weight", [1]),
  ]);

  const read = readAdapter(folder, store);

  for (const text of [
    `tensor "${PREFIX}${QUERY}.lora_B.weight": Got shape [16, 3], expected [16, 2]`,
    `module "${QUERY.replace("q_proj", "v_proj")}" has no lora_B.weight`,
    `self_attn.w_proj.lora_A.weight" belongs to no linear module of this model; nearest: "language_model.model.layers.0.self_attn.`,
    `tensor "${PREFIX}mlp7.1.weight" belongs to no parameter of this model; nearest: "mlp1.1.weight"`,
  ]) {
    await expect(read).rejects.toThrow(text);
  }
  expect(store.names().filter(isLora)).toEqual([]);
});

test("configs that are not plain LoRA are refused with the field", async () => {
  const store = await toyStore();
  const read = async (config: object | string): Promise<unknown> => readAdapter(await adapterFolder(config, []), store);

  await expect(read({ r: 2, lora_alpha: 8, use_dora: true })).rejects.toThrow(/CheckpointError .*adapter_config\.json: use_dora: .*\n {2}Only plain LoRA adapters can be read/);
  await expect(read({ peft_type: "IA3", r: 2, lora_alpha: 8 })).rejects.toThrow("peft_type");
  await expect(read("{")).rejects.toThrow("Got a file that is not JSON");
  await expect(read({ r: 2, lora_alpha: 8 })).rejects.toThrow("Got no lora_A and lora_B tensors, expected at least one pair");
  await expect(readAdapter(await temporaryFolder(), store)).rejects.toThrow("no such file or folder");
});

/** The golden base weights under their own names; InternLM2 has no loader yet, so the file is taken as it is. */
async function goldenStore(set: string): Promise<ParamStore> {
  const store = await emptyStore();
  if (set === "internvl2-qwen2") {
    await loadWeights(await readModelFolder(goldenPath(set)), store);
    return store;
  }
  const file = await openSafetensors(goldenPath(set, "model.safetensors"));
  for (const name of file.names) store.set(name, tensor(await file.readFloats(name), [...file.info(name).shape]));
  await file.close();
  return store;
}

async function writtenConfig(store: ParamStore): Promise<unknown> {
  const folder = await temporaryFolder();
  await writeAdapter(folder, store, { baseModel: "base", alsoTrained: [] });
  return JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"));
}

async function adapterFolder(config: object | string, tensors: readonly TensorToWrite[]): Promise<string> {
  const folder = join(await temporaryFolder(), "adapter");
  await mkdir(folder);
  await writeFile(join(folder, "adapter_config.json"), typeof config === "string" ? config : JSON.stringify({ peft_type: "LORA", ...config }));
  await writeSafetensors(join(folder, "adapter_model.safetensors"), tensors);
  return folder;
}

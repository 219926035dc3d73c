import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { expectedParameters } from "../../../src/model/checkpoints/expected-parameters.ts";
import { baseHash, loadWeights, readModelFolder, weightShapes, writeModelFolder } from "../../../src/model/checkpoints/hf-folder.ts";
import { keyLayoutOf } from "../../../src/model/checkpoints/key-layouts.ts";
import { openSafetensors } from "../../../src/model/checkpoints/safetensors.ts";
import { storeTensors } from "../../../src/model/checkpoints/store-tensors.ts";
import { writeSafetensors, type TensorToWrite } from "../../../src/model/checkpoints/write-safetensors.ts";
import { modelConfigSchema } from "../../../src/model/config.ts";
import { initRandom } from "../../../src/model/init.ts";
import { goldenPath } from "../../golden/golden.ts";
import { temporaryFolder } from "../../temporary-folder.ts";
import { emptyStore, toyConfig, toyStore } from "../toy-model.ts";

const QWEN2 = goldenPath("internvl2-qwen2");
const HEAD = "language_model.lm_head.weight";

test("the config alone gives the names and shapes of the golden InternVL2 file", async () => {
  const { config, weightFiles } = await readModelFolder(QWEN2);
  const file = await openSafetensors(weightFiles[0] ?? "");

  const actual = Object.fromEntries(file.names.map((name) => [name, file.info(name).shape]));

  expect(Object.fromEntries(expectedParameters(config))).toEqual(actual);
  expect(file.names.length).toBe(65);
  await file.close();
});

test("the audio tower's names and shapes are those of the golden Whisper encoder", async () => {
  const whisper = JSON.parse(await readFile(goldenPath("whisper-encoder", "config.json"), "utf8")) as object;
  const file = await openSafetensors(goldenPath("whisper-encoder", "model.safetensors"));

  const audio = [...expectedParameters(modelConfigSchema.parse({ ...toyConfig, audio_config: whisper }))].filter(([name]) => name.startsWith("audio_model."));

  expect(Object.fromEntries(audio)).toEqual(Object.fromEntries(file.names.map((name) => [`audio_${name}`, file.info(name).shape])));
  expect(audio.length).toBe(37);
  await file.close();
});

test("the audio projector takes stacked frames; norms and biases follow the config", () => {
  const { audio_config: audio, vision_config: vision } = toyConfig;
  const large = modelConfigSchema.parse({ ...toyConfig, vision_config: { ...vision, norm_type: "rms_norm", qkv_bias: false, qk_normalization: true }, llm_config: { ...toyConfig.llm_config, architectures: ["LlamaForCausalLM"] } });

  expect(audio).toBeDefined();
  expect(expectedParameters(toyConfig).get("audio_mlp.0.weight")).toEqual([32]);
  expect(expectedParameters(toyConfig).get("audio_mlp.1.weight")).toEqual([16, 32]);
  const names = [...expectedParameters(large).keys()].filter((name) => name.includes("layers.0.") && !name.startsWith("audio"));
  expect(names.filter((name) => name.endsWith(".bias"))).toEqual(["attn.proj", "mlp.fc1", "mlp.fc2"].map((module) => `vision_model.encoder.layers.0.${module}.bias`));
  expect(names).toContain("vision_model.encoder.layers.0.attn.k_norm.weight");
});

test("the shapes of a folder's weights are known without loading them, a missing head included", async () => {
  const folder = await temporaryFolder();
  const { config } = await readModelFolder(QWEN2);
  const store = await emptyStore();
  await loadWeights({ folder: QWEN2, config }, store);
  await writeModelFolder(folder, config, [...storeTensors(store)].filter(({ name }) => name !== HEAD));

  expect(await weightShapes({ folder: QWEN2, config })).toEqual(store.shapes());
  expect(store.shapes().size).toBe(65);
  expect((await weightShapes({ folder, config })).size).toBe(64);
  await expect(weightShapes({ folder, config: toyConfig })).rejects.toThrow("missing tensor");
});

test("loaded weights equal the file's, and a written folder loads to the same again", async () => {
  const folder = await temporaryFolder();
  const model = await readModelFolder(QWEN2);
  const [store, again] = [await emptyStore(), await emptyStore()];
  await loadWeights(model, store);

  await writeModelFolder(folder, model.config, storeTensors(store));
  const written = await readModelFolder(folder);
  await loadWeights(written, again);

  const file = await openSafetensors(join(QWEN2, "model.safetensors"));
  for (const name of file.names) {
    expect(store.get(name).dataSync()).toEqual(await file.readFloats(name));
    expect(again.get(name).dataSync()).toEqual(store.get(name).dataSync());
  }
  expect(store.names().length).toBe(file.names.length);
  expect(written.config).toEqual(model.config);
  await file.close();
});

test("shards are found through the index", async () => {
  const { folder, tensors } = await brokenFolder((all) => all);
  const [store, whole] = [await emptyStore(), await toyStore()];
  const names = tensors.map(({ name }) => name);
  const shard = (name: string): string => (name.startsWith("language_model.") ? "b.safetensors" : "a.safetensors");
  const sharded = await temporaryFolder();
  await copyFile(join(folder, "config.json"), join(sharded, "config.json"));
  for (const file of ["a.safetensors", "b.safetensors"]) await writeSafetensors(join(sharded, file), tensors.filter(({ name }) => shard(name) === file));
  await writeFile(join(sharded, "model.safetensors.index.json"), JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(names.map((name) => [name, shard(name)])) }));

  const model = await readModelFolder(sharded);
  await loadWeights(model, store);

  expect(model.weightFiles.length).toBe(2);
  expect(store.names().sort()).toEqual(whole.names().sort());
  expect(store.get(HEAD).dataSync()).toEqual(whole.get(HEAD).dataSync());
});

test("an index that disagrees with the shards or leaves the folder is refused", async () => {
  const { folder, tensors } = await brokenFolder((all) => all);
  const elsewhere = await temporaryFolder();
  await copyFile(join(folder, "config.json"), join(elsewhere, "config.json"));
  await writeSafetensors(join(elsewhere, "a.safetensors"), tensors.filter(({ name }) => name !== HEAD));
  const load = async (map: Record<string, string>): Promise<void> => {
    await writeFile(join(elsewhere, "model.safetensors.index.json"), JSON.stringify({ weight_map: map }));
    await loadWeights({ folder: elsewhere, config: toyConfig }, await emptyStore());
  };

  await expect(load({ [HEAD]: "a.safetensors" })).rejects.toThrow(`tensor "${HEAD}" is not in a.safetensors, where the index says it is`);
  await expect(load({ [HEAD]: "../a.safetensors" })).rejects.toThrow('Got shard "../a.safetensors", expected the name of a file in the same folder');
  await expect(load({ [HEAD]: "c.safetensors" })).rejects.toThrow("no such file or folder");
});

test("missing, superfluous and wrongly shaped tensors are told together, and nothing is loaded", async () => {
  const { folder } = await brokenFolder((all) => [
    ...all.filter(({ name }) => name !== "mlp1.1.weight" && name !== "audio_mlp.1.bias"),
    { name: "mlp1.1.wieght", shape: [1], data: Float32Array.of(1) },
    { name: "audio_mlp.1.bias", shape: [4, 4], data: new Float32Array(16) },
    { name: "language_model.model.rotary_emb.inv_freq", shape: [1], data: Float32Array.of(1) },
  ]);
  const store = await emptyStore();

  const load = loadWeights({ folder, config: toyConfig }, store);

  await expect(load).rejects.toThrow(
    [
      `CheckpointError ${folder}: missing tensor "mlp1.1.weight" [16, 32]; nearest: "mlp1.1.wieght".`,
      `CheckpointError ${folder}: superfluous tensor "mlp1.1.wieght"; nearest: "mlp1.1.weight".`,
      `CheckpointError ${folder}: tensor "audio_mlp.1.bias": Got shape [4, 4], expected [16] from config.json.`,
    ].join("\n"),
  );
  expect(store.names()).toEqual([]);
});

test("weights of integers are refused before anything is loaded", async () => {
  const { folder } = await brokenFolder((all) => all.map((each) => (each.name === "mlp1.1.bias" ? { ...each, data: new Int32Array(16) } : each)));
  const store = await emptyStore();

  await expect(loadWeights({ folder, config: toyConfig }, store)).rejects.toThrow('tensor "mlp1.1.bias": Got I32 numbers, expected floating-point ones (F64, F32, F16 or BF16)');
  expect(store.names()).toEqual([]);
});

test("a folder of the native layout gives the same weights, its q, k and v joined", async () => {
  const { audio_config: _, ...rest } = toyConfig;
  const config = { ...rest, vision_config: { ...rest.vision_config, qk_normalization: true } };
  const whole = await emptyStore();
  initRandom(config, 1, whole);
  const folder = join(await temporaryFolder(), "native");
  await mkdir(folder);
  const { keysOf } = keyLayoutOf(["model.vision_tower.embeddings.cls_token"]);
  const tensors = whole.names().flatMap((name): TensorToWrite[] => {
    const [keys, [rows = 0, ...columns]] = [keysOf(name), whole.get(name).shape];
    const values = Float32Array.from(whole.get(name).dataSync());
    const size = values.length / keys.length;
    return keys.map((key, i) => ({ name: key, shape: [rows / keys.length, ...columns], data: values.slice(i * size, (i + 1) * size) }));
  });
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  const { vision_config: vision, llm_config: llm } = config;
  const { image_size: image, patch_size: patch, qkv_bias: attention_bias, qk_normalization: use_qk_norm, ...sizes } = vision;
  const { architectures: _names, ...text } = llm;
  await writeFile(
    join(folder, "config.json"),
    JSON.stringify({ architectures: ["InternVLForConditionalGeneration"], vision_config: { ...sizes, attention_bias, use_qk_norm, image_size: [image, image], patch_size: [patch, patch] }, text_config: { ...text, model_type: "qwen2" } }),
  );
  const store = await emptyStore();

  const model = await readModelFolder(folder);
  await loadWeights(model, store);

  expect(model.config).toMatchObject({ template: "internvl2_5", ps_version: "v2", vision_config: { image_size: 16, qkv_bias: true, qk_normalization: true }, llm_config: { architectures: ["Qwen2ForCausalLM"] } });
  expect(tensors.length).toBeGreaterThan(store.names().length);
  expect(store.names()).toEqual(whole.names());
  for (const name of store.names()) expect(store.get(name).dataSync(), name).toEqual(whole.get(name).dataSync());

  await writeSafetensors(join(folder, "model.safetensors"), tensors.filter(({ name }) => !name.endsWith("0.attention.k_proj.weight")));
  await expect(loadWeights(model, await emptyStore())).rejects.toThrow('missing tensor "model.vision_tower.encoder.layer.0.attention.k_proj.weight" [8, 8]');
});

test("a folder of another kind of model, and what its classes do beyond ours, is told field by field", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "config.json");
  const read = async (changes: object): Promise<unknown> => {
    await writeFile(path, JSON.stringify({ ...toyConfig, ...changes }));
    return readModelFolder(folder);
  };
  const { vision_config: vision, llm_config: llm } = toyConfig;
  const decoder = (changes: object): object => ({ llm_config: { ...llm, ...changes } });
  const longrope = { rope_type: "longrope", short_factor: [1, 1], long_factor: [1, 2, 3], original_max_position_embeddings: 4 };

  await expect(read({ architectures: ["LlavaForConditionalGeneration"] })).rejects.toThrow(
    `CheckpointError ${path}: architectures: Got "LlavaForConditionalGeneration", expected InternVLChatModel or InternVLForConditionalGeneration.\n  Only models of the InternVL2, 2.5 and 3 families can be loaded.`,
  );
  await expect(read({ vision_config: { ...vision, hidden_act: "quick_gelu" } })).rejects.toThrow('vision_config.hidden_act: Got "quick_gelu", expected "gelu"');
  await expect(read(decoder({ hidden_act: "gelu" }))).rejects.toThrow('llm_config.hidden_act: Got "gelu", expected "silu"');
  await expect(read(decoder({ head_dim: 8 }))).rejects.toThrow("llm_config.head_dim: Got 8, expected 4");
  await expect(read(decoder({ partial_rotary_factor: 0.5 }))).rejects.toThrow("llm_config.partial_rotary_factor: Got 0.5, expected 1");
  await expect(read(decoder({ use_sliding_window: true, sliding_window: 100 }))).rejects.toThrow("llm_config.sliding_window: Got 100, expected at least max_position_embeddings 256 (attention sees the whole context)");
  await expect(read(decoder({ use_sliding_window: false, sliding_window: 100 }))).resolves.toBeDefined();
  await expect(read(decoder({ architectures: ["Phi3ForCausalLM"], sliding_window: 100 }))).rejects.toThrow("llm_config.sliding_window: Got 100");
  await expect(read(decoder({ rope_scaling: longrope }))).rejects.toThrow("llm_config.rope_scaling.long_factor: Got 3 numbers, expected 2, one for each pair of a head's dimensions");
  await expect(read(decoder({ rope_scaling: { type: "spiral" } }))).rejects.toThrow("llm_config.rope_scaling");
  await expect(read({ select_layer: 3 })).rejects.toThrow("select_layer: Got 3, but there are 2 layers");
});

test("a long list of faults is cut and counted", async () => {
  const { folder } = await brokenFolder((all) => all.filter(({ name }) => !name.startsWith("language_model.") || name === HEAD));

  await expect(loadWeights({ folder, config: toyConfig }, await emptyStore())).rejects.toThrow(/missing tensor "language_model[^]*14 more tensors do not fit config.json/);
});

test("a file without an output head loads, and the store has none", async () => {
  const { folder } = await brokenFolder((all) => all.filter(({ name }) => name !== HEAD));
  const store = await emptyStore();

  await loadWeights({ folder, config: toyConfig }, store);

  expect(store.has(HEAD)).toBe(false);
  expect(store.names().length).toBe(expectedParameters(toyConfig).size - 1);
});

test("config.json: absent, not JSON, missing fields and sizes that do not fit are told with file and field", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "config.json");
  const read = async (content: unknown): Promise<unknown> => {
    await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
    return readModelFolder(folder);
  };
  const { vision_config: vision, llm_config: llm } = toyConfig;

  await expect(readModelFolder(join(folder, "absent"))).rejects.toThrow(`CheckpointError ${join(folder, "absent")}: no such folder.\n  Point model.folder to a Hugging Face style folder`);
  await expect(readModelFolder(folder)).rejects.toThrow(`CheckpointError ${path}: no such file.\n  Point model.folder to a Hugging Face style folder`);
  await expect(read("{")).rejects.toThrow(`CheckpointError ${path}: not valid JSON`);
  await expect(read({ ...toyConfig, vision_config: undefined, template: 5 })).rejects.toThrow(/template: .*expected string[^]*vision_config: /);
  await expect(read({ ...toyConfig, llm_config: { ...llm, vocab_size: -1 } })).rejects.toThrow("llm_config.vocab_size: Got -1, expected a number above 0");
  await expect(read({ ...toyConfig, llm_config: { ...llm, vocab_size: 1e12 } })).rejects.toThrow("llm_config.vocab_size: Got 1000000000000, expected a number above 0, up to 10000000");
  await expect(read({ ...toyConfig, llm_config: { ...llm, num_key_value_heads: 3 } })).rejects.toThrow("llm_config.num_key_value_heads: Got 3, expected a divisor of num_attention_heads 4");
  await expect(read({ ...toyConfig, vision_config: { ...vision, patch_size: 5 } })).rejects.toThrow("vision_config.patch_size: Got 5, expected a divisor of image_size 16");
  await expect(read({ ...toyConfig, llm_config: { ...llm, architectures: ["MambaForCausalLM"] } })).rejects.toThrow('unknown decoder "MambaForCausalLM".\n  Known: Qwen2ForCausalLM, LlamaForCausalLM, InternLM2ForCausalLM, Phi3ForCausalLM.');
});

test("a folder without weights is read, but loading says what is missing", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "config.json"), JSON.stringify(toyConfig));

  const model = await readModelFolder(folder);

  expect(model.weightFiles).toEqual([]);
  await expect(loadWeights(model, await emptyStore())).rejects.toThrow(`CheckpointError ${folder}: Got no weights, expected model.safetensors or model.safetensors.index.json`);
});

test("the base hash tells weights, configs and seeds apart", async () => {
  const same = await brokenFolder((all) => all);
  const other = await brokenFolder((all) => all.map((each) => (each.name === HEAD ? { ...each, data: new Float32Array(32 * 16) } : each)));
  const models = await Promise.all([same.folder, other.folder].map((folder) => readModelFolder(folder)));

  const hashes = await Promise.all([
    ...models.map((model) => baseHash(model, { init: "weights", seed: 1 })),
    ...models.slice(0, 1).flatMap((model) => [
      baseHash(model, { init: "random", seed: 1 }),
      baseHash(model, { init: "random", seed: 2 }),
      baseHash({ ...model, config: { ...model.config, select_layer: -2 } }, { init: "weights", seed: 1 }),
      baseHash({ ...model, audioFolder: "whisper" }, { init: "weights", seed: 1 }),
      baseHash({ ...model, audioFolder: "whisper" }, { init: "weights", seed: 2 }),
    ]),
  ]);

  expect(hashes.length).toBe(7);
  expect(new Set(hashes).size).toBe(7);
  expect(await baseHash(models[0]!, { init: "weights", seed: 2 })).toBe(hashes[0]); // nothing of it is drawn
});

/** A folder with the toy model's weights after `change`. */
async function brokenFolder(change: (all: readonly TensorToWrite[]) => readonly TensorToWrite[]) {
  const folder = join(await temporaryFolder(), "model");
  await mkdir(folder);
  const tensors = change(storeTensors(await toyStore()));
  await writeModelFolder(folder, toyConfig, tensors);
  return { folder, tensors };
}

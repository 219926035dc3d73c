import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { expectedParameters } from "../../../src/model/checkpoints/expected-parameters.ts";
import { isDrawn, loadWeights, readModelFolder, weightShapes, writeModelFolder } from "../../../src/model/checkpoints/hf-folder.ts";
import { openSafetensors } from "../../../src/model/checkpoints/safetensors.ts";
import { storeTensors } from "../../../src/model/checkpoints/store-tensors.ts";
import { type TensorToWrite, writeSafetensors } from "../../../src/model/checkpoints/write-safetensors.ts";
import { encodeSounds } from "../../../src/model/audio.ts";
import { tokensPerSound } from "../../../src/model/config.ts";
import { ofMaximum } from "../../golden/comparison.ts";
import { openGoldenSet } from "../../golden/golden-set.ts";
import { goldenPath } from "../../golden/golden.ts";
import { temporaryFolder } from "../../temporary-folder.ts";
import { emptyStore, toyConfig, toyStore } from "../toy-model.ts";

const WHISPER = goldenPath("whisper-encoder");
const DECODER: readonly TensorToWrite[] = [
  { name: "model.decoder.embed_tokens.weight", shape: [2, 48], data: new Float32Array(96) },
  { name: "proj_out.weight", shape: [2, 48], data: new Float32Array(96) },
];

test("beside a model without sound, the folder's encoder hears what the original hears, and its decoder is passed over", async () => {
  const model = await readModelFolder(await silentModel(), { audioFolder: await whisperFolder((all) => [...all, ...DECODER]) });
  const store = await emptyStore();
  await loadWeights(model, store);

  const audio = model.config.audio_config!;
  expect(tokensPerSound(model.config)).toBe(5); // 36 positions, 8 to a token
  expect(model.weightFiles.length).toBe(2);
  const golden = await openGoldenSet(WHISPER);
  onTestFinished(() => golden.dispose());
  const heard = encodeSounds(store.scope("audio_model.encoder"), audio, golden.tensor("in.input_features"));
  expect(ofMaximum("enc.hidden_states.2", heard, golden.tensor("enc.hidden_states.2"))).toMatchObject({ isOk: true });
});

test("no file holds the projector between the two: its shapes are known, and it is left to be drawn", async () => {
  const model = await readModelFolder(await silentModel(), { audioFolder: await whisperFolder() });
  const store = await emptyStore();
  await loadWeights(model, store);

  const shapes = await weightShapes(model);
  const drawn = [...shapes.keys()].filter((name) => !store.has(name));
  expect(drawn).toEqual(["0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias"].map((name) => `audio_mlp.${name}`));
  expect(drawn.every((name) => isDrawn(model, name))).toBe(true);
  expect(shapes.get("audio_mlp.1.weight")).toEqual([16, 8 * 48]);
  expect(new Map([...shapes].sort())).toEqual(new Map([...expectedParameters(model.config)].sort()));
});

test("a bare encoder and a classifier built on it have shorter names", async () => {
  const classifier = await whisperFolder((all) => [...all.map((each) => ({ ...each, name: each.name.replace("model.", "") })), { name: "projector.weight", shape: [4, 48], data: new Float32Array(192) }]);
  const [bare, whole] = [await emptyStore(), await emptyStore()];

  const folder = await silentModel();
  await loadWeights(await readModelFolder(folder, { audioFolder: classifier }), bare);
  await loadWeights(await readModelFolder(folder, { audioFolder: WHISPER }), whole);

  const name = "audio_model.encoder.layers.1.fc2.weight";
  expect(bare.get(name).dataSync()).toEqual(whole.get(name).dataSync());
});

test("an encoder that lacks a tensor or has one of another shape or type is refused before anything is loaded", async () => {
  const audioFolder = await whisperFolder((all) => [
    ...all.filter(({ name }) => name !== "model.encoder.layers.0.fc1.bias" && name !== "model.encoder.conv2.bias"),
    { name: "model.encoder.layers.0.fc1.biass", shape: [96], data: new Float32Array(96) },
    { name: "model.encoder.conv2.bias", shape: [47], data: new Int32Array(47) },
  ]);
  const store = await emptyStore();

  const failure: unknown = await readModelFolder(await silentModel(), { audioFolder }).then((model) => loadWeights(model, store)).catch((error: unknown) => error);

  expect(String(failure)).toBe(
    [
      `CheckpointError: CheckpointError ${audioFolder}: missing tensor "model.encoder.layers.0.fc1.bias" [96]; nearest: "model.encoder.layers.0.fc1.biass".`,
      `CheckpointError ${audioFolder}: superfluous tensor "model.encoder.layers.0.fc1.biass"; nearest: "model.encoder.layers.0.fc1.bias".`,
      `CheckpointError ${audioFolder}: tensor "model.encoder.conv2.bias": Got shape [47], expected [48] from config.json.`,
      `CheckpointError ${audioFolder}: tensor "model.encoder.conv2.bias": Got I32 numbers, expected floating-point ones (F64, F32, F16 or BF16).`,
    ].join("\n"),
  );
  expect(store.names()).toEqual([]);
});

test("a folder that is no Whisper, is missing, lacks weights or is of no use to this model is told in one message", async () => {
  const folder = await silentModel();
  const read = (audioFolder: string): Promise<unknown> => readModelFolder(folder, { audioFolder });
  const other = await temporaryFolder();
  const path = join(other, "config.json");
  const config = JSON.parse(await readFile(join(WHISPER, "config.json"), "utf8")) as object;

  await expect(read(join(other, "absent"))).rejects.toThrow(`CheckpointError ${join(other, "absent")}: no such folder.\n  Point model.audioFolder to a whisper-* folder of Hugging Face: config.json and safetensors.`);
  await expect(read(other)).rejects.toThrow(`CheckpointError ${path}: no such file.\n  Point model.audioFolder to`);
  await writeFile(path, JSON.stringify({ architectures: ["HubertModel"], model_type: "hubert" }));
  await expect(read(other)).rejects.toThrow(`CheckpointError ${path}: model_type: Got "hubert", expected "whisper".\n  Only the encoders of Whisper models can be loaded as an audio tower.`);
  await writeFile(path, "[]");
  await expect(read(other)).rejects.toThrow('model_type: Got "nothing", expected "whisper"');
  await writeFile(path, JSON.stringify({ ...config, d_model: 50, activation_function: "relu" }));
  await expect(read(other)).rejects.toThrow(/encoder_attention_heads: Got 4, expected a divisor of d_model 50[^]*activation_function: Got "relu", expected "gelu"/);
  await writeFile(path, JSON.stringify(config));
  await expect(readModelFolder(folder, { audioFolder: other }).then(weightShapes)).rejects.toThrow(`CheckpointError ${other}: Got no weights, expected model.safetensors or model.safetensors.index.json`);
  await writeModelFolder(folder, toyConfig, storeTensors(await toyStore()));
  await expect(read(WHISPER)).rejects.toThrow(`ConfigError model.audioFolder: got ${WHISPER}, but ${folder} has an audio tower of its own.\n  Leave model.audioFolder out.`);
});

/** The toy model as published InternVL2 models are: without a tower for sound. */
async function silentModel(): Promise<string> {
  const folder = join(await temporaryFolder(), "model");
  await mkdir(folder);
  const { audio_config: _, ...config } = toyConfig;
  await writeModelFolder(folder, config, storeTensors(await toyStore()).filter(({ name }) => !name.startsWith("audio_")));
  return folder;
}

/** The golden encoder's folder with its tensors after `change`. */
async function whisperFolder(change: (all: readonly TensorToWrite[]) => readonly TensorToWrite[] = (all) => all): Promise<string> {
  const folder = await temporaryFolder();
  await copyFile(join(WHISPER, "config.json"), join(folder, "config.json"));
  const file = await openSafetensors(join(WHISPER, "model.safetensors"));
  const tensors = await Promise.all(file.names.map(async (name) => ({ name, shape: file.info(name).shape, data: await file.readFloats(name) })));
  await file.close();
  await writeSafetensors(join(folder, "model.safetensors"), change(tensors));
  return folder;
}

import { spawnSync } from "node:child_process";
import { appendFile, mkdir, readFile, readdir, rm, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { memory, tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { storeTensors } from "../../src/model/checkpoints/store-tensors.ts";
import { addLora, isLora } from "../../src/model/lora.ts";
import { writeSafetensors, type TensorToWrite } from "../../src/model/checkpoints/write-safetensors.ts";
import { ParamStore } from "../../src/model/params.ts";
import { adamwUpdate, type AdamWState, disposeMoments, moment } from "../../src/train/adamw.ts";
import { latestCheckpoint, listCheckpoints, rotateCheckpoints } from "../../src/train/checkpoint-folders.ts";
import { checkCheckpoint, loadCheckpointWeights, readCheckpoint, readCheckpointOptimizer, saveCheckpoint, type Checkpoint } from "../../src/train/checkpoint.ts";
import { writeManifest } from "../../src/train/checkpoint-manifest.ts";
import { readOptimizer } from "../../src/train/optimizer-file.ts";
import { useDeviceDouble } from "../backend/device-double.ts";
import { useBackend } from "../model/support.ts";
import { toyStore } from "../model/toy-model.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { state } from "./checkpoint-state.ts";

const QUERY = "language_model.model.layers.0.self_attn.q_proj";
const OPTIONS = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 };

test("a checkpoint gives back state, adapter weights and optimizer bit for bit", async () => {
  const stageDir = join(await temporaryFolder(), "stage-1");
  const [store, again] = [await toyStore(1), await toyStore(1)];
  addLora(store, { rank: 2, alpha: 8, targets: ["q_proj"] }, 7);
  const trained = [`${QUERY}.lora_B.weight`, "mlp1.1.bias"];
  const optimizer: AdamWState = new Map();
  for (let step = 0; step < 2; step++) {
    const gradients = new Map(trained.map((name) => [name, tensor(new Float32Array(store.get(name).size).fill(1 / 3), store.get(name).shape)]));
    await adamwUpdate(store, optimizer, { gradients, gradientScale: 1, learningRate: () => 1e-2, decays: () => true, options: OPTIONS });
  }
  const names = [...store.names().filter(isLora), "mlp1.1.bias"];
  const written = state({ step: 200, epoch: 1, best: { step: 100, task: "msa", metric: "accuracy", value: 0.5 } });

  const saved = await saveCheckpoint(stageDir, { weights: storeTensors(store, names), optimizer, state: written });
  const checkpoint = await readCheckpoint(saved.folder);
  const loaded = await loadCheckpointWeights(checkpoint, again);

  expect(saved.folder).toBe(join(stageDir, "step-000200"));
  expect((await readdir(saved.folder)).sort()).toEqual(["manifest.json", "model.safetensors", "optimizer.safetensors", "state.json"]);
  expect(checkpoint).toEqual(saved);
  expect(checkpoint.state).toEqual(written);
  expect([...loaded].sort()).toEqual([...names].sort());
  expect(names.length).toBe(4 * 3 + 1);
  for (const name of store.names()) expect(again.get(name).dataSync(), name).toEqual(store.get(name).dataSync());
  const restored = await readCheckpointOptimizer(checkpoint);
  expect(momentNumbers(restored)).toEqual(momentNumbers(optimizer));
  expect(restored.get("mlp1.1.bias")?.step).toBe(2);
});

test("a checkpoint of a device's numbers is, byte for byte, the one of the host's", async () => {
  const save = async (name: string): Promise<Checkpoint> => {
    const store = new ParamStore();
    store.set("a", tensor([[1, 2], [3, 1 / 3]]));
    const optimizer: AdamWState = new Map([["a", { step: 3, first: moment(Float32Array.of(1, 2, 3, 4)), second: moment(Float32Array.of(5, 6, 7, 1 / 7)) }]]);
    const saved = await saveCheckpoint(join(folder, name), { weights: storeTensors(store), optimizer, state: state({}) });
    store.dispose();
    disposeMoments(optimizer);
    return saved;
  };
  const folder = await temporaryFolder();
  await useBackend("cpu");
  const host = await save("host");
  const { reads } = await useDeviceDouble({ ownKernels: false });
  const before = memory().numTensors;

  const device = await save("device");

  expect(device.hash).toBe(host.hash);
  expect(reads()).toBe(3);
  expect(memory().numTensors).toBe(before);
});

test("an optimizer file that lacks a moment is told, and nothing of it stays in memory", async () => {
  await useBackend("cpu");
  const path = join(await temporaryFolder(), "optimizer.safetensors");
  const whole = (name: string): TensorToWrite[] => [{ name: `first_moment.${name}`, shape: [1], data: Float32Array.of(1) }, { name: `second_moment.${name}`, shape: [1], data: Float32Array.of(1) }, { name: `step.${name}`, shape: [], data: Int32Array.of(1) }];
  await writeSafetensors(path, [...whole("a"), ...whole("b").slice(1)]);
  const before = memory().numTensors;

  await expect(readOptimizer(path)).rejects.toThrow(`CheckpointError ${path}: the moments of "b" are missing`);
  expect(memory().numTensors).toBe(before);
});

test("equal content gives an equal hash, other content another one", async () => {
  const folder = await temporaryFolder();
  const save = (name: string, value: number): Promise<Checkpoint> => saveOne(join(folder, name), 1, value);

  const [first, same, other] = [await save("a", 1), await save("b", 1), await save("c", 2)];

  expect(same.hash).toBe(first.hash);
  expect(other.hash).not.toBe(first.hash);
});

test("the newest complete checkpoint is found; incomplete, foreign and temporary folders are passed over", async () => {
  const stageDir = await temporaryFolder();
  for (const step of [1, 2, 3, 1000000]) await saveOne(stageDir, step);
  await rm(join(stageDir, "step-000003", "optimizer.safetensors"));
  await rm(join(stageDir, "step-1000000", "manifest.json"));
  await mkdir(join(stageDir, "step-000009"));
  await mkdir(join(stageDir, "notes"));

  expect(await latestCheckpoint(stageDir)).toBe(join(stageDir, "step-000002"));
  expect((await listCheckpoints(stageDir)).map(({ step }) => step)).toEqual([1, 2]);
  expect(await latestCheckpoint(join(stageDir, "absent"))).toBeUndefined();
});

test("rotation keeps the newest, the best and the one the run started from", async () => {
  const stageDir = await temporaryFolder();
  for (const step of [1, 2, 3, 4, 5]) await saveOne(stageDir, step);

  const removed = await rotateCheckpoints(stageDir, { keep: 2, protect: [join(stageDir, "step-000001"), `${stageDir}/./step-000005/`] });

  expect(removed).toEqual(["step-000002", "step-000003"].map((name) => join(stageDir, name)));
  expect((await readdir(stageDir)).sort()).toEqual(["step-000001", "step-000004", "step-000005"]);
});

test("a step that is saved again replaces the earlier folder", async () => {
  const stageDir = await temporaryFolder();
  const first = await saveOne(stageDir, 1, 1);

  const second = await saveOne(stageDir, 1, 2);

  expect(await readdir(stageDir)).toEqual(["step-000001"]);
  expect((await readCheckpoint(second.folder)).hash).not.toBe(first.hash);
});

test("every kind of damage is told, with the file and what to do", async () => {
  const damage: readonly (readonly [file: string, spoil: (path: string) => Promise<void>, message: string])[] = [
    ["model.safetensors", flipLastByte, "model.safetensors: the content differs from what was written (SHA-256).\n  The checkpoint is damaged: delete its folder"],
    ["optimizer.safetensors", (path) => truncate(path, 10), "optimizer.safetensors: Got 10 bytes, expected"],
    ["state.json", (path) => rm(path), "state.json: Got no file, expected"],
    ["state.json", (path) => appendFile(path, " "), "state.json: Got"],
    ["manifest.json", (path) => rm(path), "Got no manifest.json, expected a finished checkpoint.\n  A checkpoint is a folder like RUN/stage-2/step-000200; this is none, or writing it was cut off"],
    ["manifest.json", (path) => truncate(path, 20), "Got a manifest of another format, expected m2se-checkpoint version 1"],
    ["manifest.json", (path) => writeFile(path, '{"format":"m2se-checkpoint","version":1,"files":[{"name":"../x.json","bytes":1,"sha256":""}]}'), "Got a manifest of another format"],
  ];
  for (const [file, spoil, message] of damage) {
    const { folder } = await saveOne(await temporaryFolder(), 1);
    await spoil(join(folder, file));
    await expect(readCheckpoint(folder)).rejects.toThrow(message);
    await expect(readCheckpoint(folder)).rejects.toThrow(/^CheckpointError /);
  }
});

test("a state that is no JSON is told, although the manifest vouches for it", async () => {
  const { folder } = await saveOne(await temporaryFolder(), 1);
  await writeFile(join(folder, "state.json"), "{");
  await writeManifest(folder, ["model.safetensors", "optimizer.safetensors", "state.json"]);

  await expect(readCheckpoint(folder)).rejects.toThrow(`CheckpointError ${join(folder, "state.json")}: this file is not JSON.\n  The checkpoint is damaged: name another one.`);
});

test("a file where the stage's folder belongs is told", async () => {
  const stageDir = join(await temporaryFolder(), "file");
  await writeFile(stageDir, "");

  await expect(latestCheckpoint(stageDir)).rejects.toThrow(`SystemError ${stageDir}: this path, or a parent of it, is a file, not a folder.`);
});

test("a checkpoint of another base, tokenizer, stage, parent or config is refused with every difference", () => {
  const checkpoint: Checkpoint = { folder: "runs/a/stage-1/step-000001", hash: "h", state: state({ lineage: { base: "b1", tokenizer: "t1", parent: "p1" } }) };

  checkCheckpoint(checkpoint, { base: "b1", tokenizer: "t1", parent: "p1", stage: "a", configHash: "config" });
  checkCheckpoint(checkpoint, {});
  // From before tokenizers were written down.
  checkCheckpoint({ ...checkpoint, state: state({ lineage: { base: "b1", parent: "p1" } }) }, { tokenizer: "t1" });

  expect(() => checkCheckpoint(checkpoint, { base: "b2", tokenizer: "t2", parent: null, stage: "b", configHash: "other" })).toThrow(
    [
      "CheckpointError runs/a/stage-1/step-000001: made with another stage: Got a, expected b.\n  Name a checkpoint of this stage, or start the stage anew.",
      "CheckpointError runs/a/stage-1/step-000001: made with another base model: Got b1, expected b2.\n  Use the model folder (and, for a random start, the seed) that the checkpoint was trained from.",
      "CheckpointError runs/a/stage-1/step-000001: made with another tokenizer: Got t1, expected t2.\n  The tokenizer's files in the model folder have changed since: restore them, or train again.",
      "CheckpointError runs/a/stage-1/step-000001: made with another parent checkpoint: Got p1, expected none.\n  The stage before was trained again: train this stage again too.",
      "CheckpointError runs/a/stage-1/step-000001: made with another config: Got config, expected other.\n  Go on with the config that the run was started with, or start in a new run directory.",
    ].join("\n"),
  );
});

test("weights that do not fit the model are listed, and nothing is loaded", async () => {
  const store = await toyStore();
  const before = store.get("mlp1.1.bias").dataSync().slice();
  const weights = [
    { name: "mlp1.1.bias", shape: [16], data: new Float32Array(16).fill(9) },
    { name: "mlp1.3.bias", shape: [2], data: new Float32Array(2) },
    { name: "mlp1.9.bias", shape: [2], data: new Float32Array(2) },
    { name: "nowhere.lora_A.weight", shape: [1, 1], data: new Float32Array(1) },
  ];
  const checkpoint = await saveCheckpoint(await temporaryFolder(), { weights, optimizer: new Map(), state: state({}) });

  const load = loadCheckpointWeights(checkpoint, store);

  await expect(load).rejects.toThrow('tensor "mlp1.3.bias": Got shape [2], expected [16].\n  Use the model folder and the lora settings that the checkpoint was trained with.');
  await expect(load).rejects.toThrow('tensor "mlp1.9.bias" is not in this model; nearest: mlp1.');
  await expect(load).rejects.toThrow('tensor "nowhere.lora_A.weight" is not in this model');
  expect(store.get("mlp1.1.bias").dataSync()).toEqual(before);
});

test("a disk that fills up while saving leaves the earlier checkpoint whole and nothing half written", async () => {
  const stageDir = await temporaryFolder();
  const earlier = await saveOne(stageDir, 1);
  const full = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  const weights = [
    { name: "a", shape: [1 << 16], data: new Float32Array(1 << 16) },
    { name: "b", shape: [1], data: () => Promise.reject(full) },
  ];

  const save = saveCheckpoint(stageDir, { weights, optimizer: new Map(), state: state({ step: 2 }) });

  await expect(save).rejects.toThrow(
    `SystemError ${join(stageDir, "step-000002")}: the disk is full. Free some space and run the command again.\n  The checkpoint was not saved; earlier ones are whole, --resume goes on from the newest.`,
  );
  expect(await readdir(stageDir)).toEqual(["step-000001"]);
  expect(await readCheckpoint(earlier.folder)).toEqual(earlier);
});

test("kill -9 while saving leaves only a folder that is ignored and cleaned by the next save", { timeout: 30_000 }, async () => {
  const stageDir = await temporaryFolder();
  const program = fileURLToPath(new URL("killed-writer.ts", import.meta.url));

  const { signal } = spawnSync(process.execPath, ["--import", "tsx", program, stageDir], { encoding: "utf8" });

  expect(signal).toBe("SIGKILL");
  const left = await readdir(stageDir);
  expect(left.length).toBe(2);
  expect(left.filter((name) => name.startsWith(".writing-")).length).toBe(1);
  expect(await latestCheckpoint(stageDir)).toBe(join(stageDir, "step-000001"));
  await readCheckpoint(join(stageDir, "step-000001"));
  await saveOne(stageDir, 2);
  expect((await readdir(stageDir)).sort()).toEqual(["step-000001", "step-000002"]);
});

test("temporary folders of living processes stay, those a day old go", async () => {
  const stageDir = await temporaryFolder();
  const elsewhere = `.writing-another_machine-1-00000000`;
  const old = `.removing-another_machine-2-00000000`;
  for (const name of [elsewhere, old]) await mkdir(join(stageDir, name));
  const twoDaysAgo = new Date(Date.now() - 48 * 3600 * 1000);
  await utimes(join(stageDir, old), twoDaysAgo, twoDaysAgo);

  await saveOne(stageDir, 1);

  expect((await readdir(stageDir)).sort()).toEqual([elsewhere, "step-000001"]);
});

/** By name, in its order: step and both moments. */
function momentNumbers(state: AdamWState): (readonly [string, number, Float32Array, Float32Array])[] {
  return [...state].map(([name, { step, first, second }]) => [name, step, Float32Array.from(first.dataSync()), Float32Array.from(second.dataSync())] as const).sort();
}

async function saveOne(stageDir: string, step: number, value = 1): Promise<Checkpoint> {
  return saveCheckpoint(stageDir, { weights: [{ name: "a", shape: [2], data: Float32Array.of(value, 2) }], optimizer: new Map(), state: state({ step }) });
}

async function flipLastByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  await writeFile(path, bytes);
}

import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { idleSettings, loadConfig } from "../../src/config/index.ts";
import { openModel } from "../../src/app/experiment.ts";
import { withAdapters } from "../../src/app/stage-adapters.ts";
import { expectedParameters } from "../../src/model/checkpoints/expected-parameters.ts";
import { readModelFolder } from "../../src/model/checkpoints/hf-folder.ts";
import { isLora } from "../../src/model/lora.ts";
import { trainableParameters } from "../../src/train/trainable.ts";
import { goldenPath } from "../golden/golden.ts";
import { temporaryFolder } from "../temporary-folder.ts";

const FOLDER = join(import.meta.dirname, "../../configs");
const FILES = readdirSync(FOLDER, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".yaml")).sort();

/** What a preset leaves to the file that extends it. */
const PRESETS: Readonly<Record<string, readonly string[]>> = {
  "curriculum.yaml": [
    "name=preset",
    "data.root=records",
    "model.folder=model",
    "stages.multitask-pretraining.trainable=[{ match: lora, learningRate: 1e-4 }]",
    "stages.reason-finetuning.trainable=[{ match: lora, learningRate: 1e-4 }]",
  ],
  "emoverse.yaml": ["name=preset", "model.folder=model"],
};
const SIZES = ["1b", "2b", "4b", "8b"].map((size) => `emoverse-${size}.yaml`);

test("the tiny experiment, its variants and the paper's preset are there", () => {
  expect(FILES).toEqual(expect.arrayContaining(["curriculum.yaml", "smoke.yaml", "tiny-lora.yaml", "tiny.yaml"]));
});

test.each(FILES)("%s resolves and every value in it has an effect", async (file) => {
  const loaded = await loadConfig(join(FOLDER, file), { set: PRESETS[file] ?? [] });

  expect(idleSettings(loaded)).toEqual([]);
  if (PRESETS[file] === undefined) expect(`${loaded.config.name}.yaml`).toBe(basename(file));
});

test("the preset holds the paper's stages and mixtures", async () => {
  const file = "curriculum.yaml";
  const { config } = await loadConfig(join(FOLDER, file), { set: PRESETS[file] ?? [] });

  expect(config.stages.map(({ name, initFrom, mixture }) => ({ name, initFrom, mixture }))).toEqual([
    { name: "multitask-pretraining", initFrom: "base", mixture: { msa: "high", fer: "high", erc: "low" } },
    { name: "reason-finetuning", initFrom: "multitask-pretraining", mixture: { eri: "high", ecpe: "high", erc: "high", msa: "low" } },
  ]);
});

test.each(["tiny.yaml", "tiny-lora.yaml", "smoke.yaml"])("%s trains the paper's stages in their order, and no task of theirs is lost", async (file) => {
  const { config } = await loadConfig(join(FOLDER, file));
  const tasks = config.stages.map(({ mixture }) => Object.keys(mixture));

  expect(config.stages.map(({ name, initFrom }) => ({ name, initFrom }))).toEqual([
    { name: "multitask-pretraining", initFrom: "base" },
    { name: "reason-finetuning", initFrom: "multitask-pretraining" },
  ]);
  expect(tasks[0]).toEqual(expect.arrayContaining(["msa", "fer", "erc"]));
  expect(tasks[1]).toEqual(expect.arrayContaining(["eri", "ecpe", "erc", "msa"])); // what else it holds is rehearsal
});

test.each(["meld-text.yaml", "ecf-pairs.yaml", "ecf-semeval.yaml"])("%s trains a decoder of words alone from a random start, words first, and a validation split picks its checkpoint", async (file) => {
  const { config } = await loadConfig(join(FOLDER, file));
  const model = await readModelFolder(config.model.folder);
  const [language, answers, ...others] = config.stages;

  expect(others).toEqual([]);
  expect([language!.promptWeight, answers!.promptWeight, answers!.initFrom]).toEqual([1, 0.2, language!.name]);
  expect(config.data.modalities).toEqual(["text"]);
  expect(config.model.init).toBe("random");
  expect(Object.keys(answers!.mixture)).toEqual([answers!.checkpoints.best?.task]);
  expect(config.eval.split).toBe("test");
  for (const { trainable } of config.stages) {
    const trained = [...trainableParameters(trainable, [...expectedParameters(model.config).keys()], file).keys()];
    expect(trained.length).toBeGreaterThan(0);
    expect(trained.filter((name) => !name.startsWith("language_model."))).toEqual([]);
  }
});

test("ecf-outline.yaml trains what ecf-pairs.yaml does, on the same data and model, and shows no words", async () => {
  const [outline, pairs] = await Promise.all(["ecf-outline.yaml", "ecf-pairs.yaml"].map(async (file) => (await loadConfig(join(FOLDER, file))).config));

  expect(outline!.data).toEqual({ ...pairs!.data, causeTurns: { ...pairs!.data.causeTurns, show: "outline" } });
  expect([outline!.model, outline!.eval]).toEqual([pairs!.model, pairs!.eval]);
  expect(outline!.stages.map(({ name, promptWeight, checkpoints }) => ({ name, promptWeight, task: checkpoints.best?.task }))).toEqual([{ name: "pairs", promptWeight: 0, task: "ecpe" }]);
});

test("the real-data presets differ in what their prompts show", async () => {
  const dataOf = async (file: string) => (await loadConfig(join(FOLDER, file))).config.data;

  expect(await dataOf("meld-text.yaml")).toMatchObject({ emotionPrompt: "utterance" });
  expect(await dataOf("ecf-pairs.yaml")).toMatchObject({ causePrompt: "emotions-given" });
  expect(await dataOf("ecf-semeval.yaml")).toMatchObject({ causePrompt: "emotions-asked" });
  expect(await dataOf("tiny.yaml")).toMatchObject({ emotionPrompt: "utterance", causePrompt: "emotions-given" });
});

test.each(SIZES)("%s is the paper's recipe, stage by stage", async (file) => {
  const { config } = await loadConfig(join(FOLDER, file));
  const { config: curriculum } = await loadConfig(join(FOLDER, "curriculum.yaml"), { set: PRESETS["curriculum.yaml"] ?? [] });

  expect(config.model).toEqual({ folder: join(FOLDER, "../models", `InternVL2-${basename(file, ".yaml").slice(-2).toUpperCase()}`), init: "weights", frozenBase: "float32", system: "You are an sentiment and emotion analysis expert." });
  expect(config).toMatchObject({ seed: 42, data: { frames: 8, conversationClip: "target", emotionPrompt: "utterance", causePrompt: "emotions-given" }, levels: curriculum.levels });
  const [first, second] = config.stages;
  for (const [index, stage] of [first!, second!].entries()) {
    const { name, initFrom, mixture } = curriculum.stages[index]!;
    expect(stage).toMatchObject({
      name, initFrom, mixture,
      optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 },
      schedule: { kind: "cosine", warmup: 0.05, floor: 0 },
      budget: { epochs: 2, rowsPerBatch: 1, accumulation: 8, gradientCheckpointing: true },
      checkpoints: { everySteps: 500, keep: 3 },
    });
    expect(stage.trainable.map(({ learningRate }) => learningRate)).toEqual([1e-4]);
  }
  expect(first!.lora).toMatchObject({ rank: 8, alpha: 32, dropout: 0.05, rslora: false });
  expect(second!.lora).toBeUndefined(); // the adapters of the stage before
  expect(config.stages).toHaveLength(2);
});

test.each(["internvl2-qwen2", "internvl2-internlm2", "internvl2-phi3"])("the recipe adapts every linear map of the decoder's layers and of the projector of %s, and trains nothing else but a projector for sound", async (set) => {
  const { config } = await loadConfig(join(FOLDER, "emoverse-1b.yaml"));
  const { trainable } = config.stages[0]!;
  const shapesWith = async (audioFolder?: string) => {
    const base = expectedParameters((await readModelFolder(goldenPath(set), { audioFolder })).config);
    return withAdapters(config, config.stages[0]!, base);
  };
  const trained = (shapes: Awaited<ReturnType<typeof shapesWith>>): string[] => [...trainableParameters(trainable, [...shapes.keys()], "trainable").keys()];

  const shapes = await shapesWith();
  const matrices = [...shapes].filter(([name, { length }]) => length === 2 && !isLora(name) && /^language_model\.model\.layers\.|^mlp1\./.test(name)).map(([name]) => name.replace(/\.weight$/, ""));
  expect(matrices.length).toBe(2 * { "internvl2-qwen2": 7, "internvl2-internlm2": 5, "internvl2-phi3": 4 }[set]! + 2);
  expect(trained(shapes).sort()).toEqual(matrices.flatMap((module) => [`${module}.lora_A.weight`, `${module}.lora_B.weight`]).sort());
  const heard = trained(await shapesWith(goldenPath("whisper-encoder")));
  expect(heard.filter((name) => !isLora(name))).toEqual(["0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias"].map((name) => `audio_mlp.${name}`));
});

test("a preset whose model was not fetched says which folder is missing and what belongs there", async () => {
  const folder = join(await temporaryFolder(), "InternVL2-1B");
  const { config } = await loadConfig(join(FOLDER, "emoverse-1b.yaml"), { set: [`model.folder=${folder}`] });

  await expect(openModel(config)).rejects.toThrow(`CheckpointError ${folder}: no such folder.\n  Point model.folder to a Hugging Face style folder: config.json, tokenizer.json and, unless model.init is random, safetensors.`);
});

import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { idleSettings, loadConfig } from "../../src/config/index.ts";
import { expectedParameters } from "../../src/model/checkpoints/expected-parameters.ts";
import { readModelFolder } from "../../src/model/checkpoints/hf-folder.ts";
import { trainableParameters } from "../../src/train/trainable.ts";

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
};

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

test.each(["meld-text.yaml", "ecf-pairs.yaml", "ecf-semeval.yaml"])("%s trains a decoder of words alone from a random start, and a validation split picks its checkpoint", async (file) => {
  const { config } = await loadConfig(join(FOLDER, file));
  const model = await readModelFolder(config.model.folder);
  const [stage, ...others] = config.stages;

  expect(others).toEqual([]);
  expect(config.data.modalities).toEqual(["text"]);
  expect(config.model.init).toBe("random");
  expect(Object.keys(stage!.mixture)).toEqual([stage!.checkpoints.best?.task]);
  expect(config.eval.split).toBe("test");
  const trained = [...trainableParameters(stage!.trainable, [...expectedParameters(model.config).keys()], file).keys()];
  expect(trained.length).toBeGreaterThan(0);
  expect(trained.filter((name) => !name.startsWith("language_model."))).toEqual([]);
});

test("the real-data presets differ in what their prompts show", async () => {
  const dataOf = async (file: string) => (await loadConfig(join(FOLDER, file))).config.data;

  expect(await dataOf("meld-text.yaml")).toMatchObject({ emotionPrompt: "dialogue" });
  expect(await dataOf("ecf-pairs.yaml")).toMatchObject({ causePrompt: "emotions-given" });
  expect(await dataOf("ecf-semeval.yaml")).toMatchObject({ causePrompt: "emotions-asked" });
  expect(await dataOf("tiny.yaml")).toMatchObject({ emotionPrompt: "utterance", causePrompt: "emotions-given" });
});

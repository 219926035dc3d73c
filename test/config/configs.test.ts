import { readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { idleSettings, loadConfig } from "../../src/config/index.ts";

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

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

test("the list of configs is the one we know", () => {
  expect(FILES).toEqual(["curriculum.yaml", "smoke.yaml", "tiny-lora.yaml", "tiny.yaml"]);
});

test.each(FILES)("%s resolves and every value in it has an effect", async (file) => {
  const loaded = await loadConfig(join(FOLDER, file), { set: PRESETS[file] ?? [] });

  expect(idleSettings(loaded)).toEqual([]);
  if (PRESETS[file] === undefined) expect(`${loaded.config.name}.yaml`).toBe(basename(file));
});

test.each(FILES)("%s keeps the paper's mixtures", async (file) => {
  const { config } = await loadConfig(join(FOLDER, file), { set: PRESETS[file] ?? [] });

  expect(config.stages.map(({ name, initFrom, mixture }) => ({ name, initFrom, mixture }))).toEqual([
    { name: "multitask-pretraining", initFrom: "base", mixture: { msa: "high", fer: "high", erc: "low" } },
    { name: "reason-finetuning", initFrom: "multitask-pretraining", mixture: { eri: "high", ecpe: "high", erc: "high", msa: "low" } },
  ]);
});

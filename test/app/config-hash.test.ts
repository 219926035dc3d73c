import { expect, test } from "vitest";
import { configHash, differingSettings } from "../../src/app/config-hash.ts";
import type { RunConfig } from "../../src/config/index.ts";
import { toyRunConfig } from "./toy-experiment.ts";

test("the type of frozen features decides a stage's numbers, the sizes of disk cache and memory do not", () => {
  const config = toyRunConfig("/work");
  const stage = config.stages[0]!;
  const changed = (data: Partial<RunConfig["data"]>): RunConfig => ({ ...config, data: { ...config.data, ...data } });
  const hash = configHash(config, stage);

  expect(configHash(changed({ cacheGigabytes: 1, memoryGigabytes: 0, cache: "/elsewhere", workers: 9 }), stage)).toBe(hash);
  const half = changed({ featureType: "float16" });
  expect(configHash(half, stage)).not.toBe(hash);
  expect(configHash(changed({ featureType: "bfloat16" }), stage)).not.toBe(configHash(half, stage));
  expect(differingSettings([half, stage], [config, stage])).toEqual(['data.featureType: got "float16", expected "float32"']);
});

test("so do the forms of the prompts and what is dropped in training", () => {
  const config = toyRunConfig("/work");
  const stage = config.stages[0]!;

  const asked: RunConfig = { ...config, data: { ...config.data, emotionPrompt: "dialogue", causePrompt: "emotions-asked" } };

  expect(differingSettings([asked, stage], [config, stage])).toEqual(['data.emotionPrompt: got "dialogue", expected "utterance"', 'data.causePrompt: got "emotions-asked", expected "emotions-given"']);
  expect(configHash(asked, stage)).not.toBe(configHash(config, stage));
  expect(differingSettings([config, { ...stage, dropout: 0.1 }], [config, stage])).toEqual(["stage.dropout: got 0.1, expected 0"]);
});

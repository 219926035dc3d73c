import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describeConfig, explainSetting, idleSettings, loadConfig } from "../../src/config/index.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "m2se-describe-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const TEXT = `name: a
data: { root: /r }
model: { folder: /m }
levels: { high: 0.9, low: 0.1, some: 0.5 }
stages:
  - name: one
    mixture: { msa: high, erc: low }
    trainable: [{ match: ".*", learningRate: 1e-3 }]
    lora: { targets: [q_proj, v_proj] }
    schedule: { kind: constant, floor: 0.1 }
`;

async function loadText(set: readonly string[] = []): ReturnType<typeof loadConfig> {
  await writeFile(join(folder, "a.yaml"), TEXT);
  return loadConfig(join(folder, "a.yaml"), { set, workingDirectory: folder });
}

test("every resolved value is listed with its origin, at the path --set takes", async () => {
  const values = describeConfig(await loadText(["seed=7"]));

  expect(values.find(({ path }) => path === "seed")).toEqual({ path: "seed", value: 7, origin: "--set seed=7" });
  expect(values.find(({ path }) => path === "stages.one.lora.targets")).toEqual({ path: "stages.one.lora.targets", value: ["q_proj", "v_proj"], origin: "a.yaml:9" });
  expect(values.find(({ path }) => path === "stages.one.trainable.0.learningRate")).toEqual({ path: "stages.one.trainable.0.learningRate", value: 0.001, origin: "a.yaml:8" });
  expect(values.find(({ path }) => path === "stages.one.budget.epochs")).toEqual({ path: "stages.one.budget.epochs", value: 2, origin: "default" });
  expect(values.filter(({ value }) => value === undefined)).toEqual([]);
  expect(new Set(values.map(({ path }) => path)).size).toBe(values.length);
});

test("every listed path can be set again", async () => {
  const loaded = await loadText();
  const values = describeConfig(loaded);

  const again = await loadText(values.map(({ path, value }) => `${path}=${JSON.stringify(value)}`));

  expect(values.length).toBeGreaterThan(30);
  expect(again.config).toEqual(loaded.config);
});

test("a setting is explained with its meaning, what it accepts and its default", () => {
  expect(explainSetting("data.frames")).toEqual({ path: "data.frames", description: "frames per clip, uniformly spaced", accepts: "a whole number above 0 up to 1024", default: 8, keys: [] });
  expect(explainSetting("stages.one.budget").keys).toEqual(["epochs", "maxSteps", "rowTokens", "rowsPerBatch", "accumulation", "gradientCheckpointing"]);
  expect(explainSetting("data.onBad").accepts).toBe("one of error, drop");
  expect(explainSetting("stages.0.budget.maxSteps").description).toBe("stop after this many optimizer steps");
  expect(explainSetting("stages.one.mixture.msa").accepts).toBe("a text or a number from 0 up to 1");
  expect(explainSetting("stages.one.optimizer.beta1").accepts).toBe("a number from 0 below 1");
});

test("an unknown setting gets the nearest name", () => {
  expect(() => explainSetting("data.frame")).toThrow('ConfigError --explain data.frame: there is no setting "data.frame".\n  Known: root, synthetic, frames, conversationClip, emotionPrompt, causePrompt, causeTurns, onBad, modalities, cache, cacheGigabytes, memoryGigabytes, featureType, workers. Did you mean "frames"?');
  expect(() => explainSetting("stages.one.mixture.emo")).toThrow('there is no setting "stages.one.mixture.emo"');
  expect(() => explainSetting("seed.deep")).toThrow('ConfigError --explain seed.deep: there is no setting "seed.deep".');
});

test("written settings that change nothing are pointed out", async () => {
  expect(idleSettings(await loadText())).toEqual([
    "a.yaml:4 levels.some has no effect: no mixture uses this word",
    "a.yaml:10 stages.one.schedule.floor has no effect: the schedule is constant",
  ]);
  expect(idleSettings(await loadText(["stages.one.schedule.kind=cosine", "stages.one.mixture.fer=some"]))).toEqual([]);
});

test("what an adapter's folder says itself is idle beside it", async () => {
  const plain = ["stages.one.schedule.kind=cosine", "stages.one.mixture.fer=some"];

  expect(idleSettings(await loadText([...plain, "stages.one.lora={ from: adapter, dropout: 0.1 }", "stages.one.lora.rank=4"]))).toEqual([
    "--set stages.one.lora.rank=4 stages.one.lora.rank has no effect: it is that of the adapter in lora.from",
  ]);
});

import { join } from "node:path";
import { expect, test } from "vitest";
import { planRun } from "../../src/app/index.ts";
import { stepsOf, toyRunConfig, toyWorkplace, train, withStage } from "./toy-experiment.ts";

const TIMEOUT_MS = 60_000;
const place = toyWorkplace();

test("a stage that sees words alone learns what an experiment on words alone does, and the next one sees clips again", { timeout: TIMEOUT_MS }, async () => {
  const all = toyRunConfig(place.folder);
  const config = withStage(all, "see", { modalities: ["text"] });
  const onWords = { ...all, data: { ...all.data, modalities: ["text"] as const satisfies readonly string[] as ["text"] } };
  const runDir = join(place.folder, "words-first");

  const steps = stepsOf(await train(config, runDir, { stages: ["see"] }));
  const expected = stepsOf(await train(onWords, join(place.folder, "words"), { stages: ["see"] }));

  expect(steps.length).toBeGreaterThan(1);
  expect(steps.map(({ loss, tokens }) => ({ loss, tokens }))).toEqual(expected.map(({ loss, tokens }) => ({ loss, tokens })));

  const { stages: [see, explain] } = await planRun({ config, stages: ["see", "explain"], signal: new AbortController().signal });
  expect([see?.largestBatch.videoClips, see?.largestBatch.audioClips]).toEqual([0, 0]);
  expect(explain?.largestBatch.videoClips).toBeGreaterThan(0);
  const later = stepsOf(await train(config, runDir, { resume: true }));
  expect(new Set(later.map(({ stage }) => stage))).toEqual(new Set(["explain"]));
  expect(later.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(explain?.packedTokens);
});

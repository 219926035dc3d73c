import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { planRun } from "../../src/app/index.ts";
import type { StagePlan } from "../../src/curriculum/plan.ts";
import { stepsOf, toyRunConfig, toyWorkplace, train, withStage } from "./toy-experiment.ts";

const TIMEOUT_MS = 60_000;
const place = toyWorkplace();

test("a stage that trains on prompts learns their words too, as many as planned, and the next stage answers alone", { timeout: TIMEOUT_MS }, async () => {
  const config = withStage(toyRunConfig(place.folder), "see", { promptWeight: 1 });
  const runDir = join(place.folder, "prompts");

  const steps = stepsOf(await train(config, runDir));

  const { stages: plans } = await planRun({ config, stages: ["see", "explain"], signal: new AbortController().signal });
  const written = JSON.parse(await readFile(join(runDir, "plan-see.json"), "utf8")) as StagePlan;
  const learned = (stage: string): number => steps.filter((step) => step.stage === stage).reduce((sum, { supervisedTokens }) => sum + supervisedTokens, 0);
  expect(plans.map(({ supervisedTokens }) => supervisedTokens)).toEqual([learned("see"), learned("explain")]);
  expect(written.supervisedTokens).toBe(learned("see"));
  expect(plans[0]!.supervisedTokens).toBeGreaterThan(3 * answersOf(plans[0]!));
  expect(plans[1]!.supervisedTokens).toBeCloseTo(answersOf(plans[1]!), 6);
});

/** Tokens of the answers that a stage learns. */
function answersOf({ tasks }: StagePlan): number {
  return Object.values(tasks).reduce((sum, { samples, meanAnswerTokens }) => sum + samples * meanAnswerTokens, 0);
}

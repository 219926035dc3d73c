import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { median } from "../../scripts/bench/measure.ts";
import { toyRunConfig, toyWorkplace } from "../app/toy-experiment.ts";
import { m2se } from "./program.ts";

const STEPS = 500;
const place = toyWorkplace();

interface Step {
  readonly tensorsAlive: number;
  readonly megabytes: number;
}

/** Steps of the toy's first stage, towers trained too; batches change in size. */
async function train(): Promise<readonly Step[]> {
  const config = join(place.folder, "toy.yaml");
  await writeFile(config, JSON.stringify(toyRunConfig(place.folder)));
  const settings = [`stages.0.budget.maxSteps=${STEPS}`, "stages.0.budget.epochs=1000", "stages.0.checkpoints.everySteps=100"];
  const { events } = await m2se(["train", "--config", config, "--stage", "1", "--run-dir", join(place.folder, "run"), ...settings.flatMap((setting) => ["--set", setting])]);
  return events.flatMap(({ kind, tensorsAlive, megabytes }) => (kind === "step" ? [{ tensorsAlive: Number(tensorsAlive), megabytes: Number(megabytes) }] : []));
}

test("memory does not grow over 500 steps, checkpoints included", { timeout: 600_000 }, async () => {
  const steps = await train();

  expect(steps).toHaveLength(STEPS);
  expect(new Set(steps.slice(1).map(({ tensorsAlive }) => tensorsAlive)).size).toBe(1);
  const megabytes = (from: number, to: number): number => median(steps.slice(from, to).map((step) => step.megabytes));
  // Until then V8 compiles and its heap finds its size.
  expect(megabytes(400, 500)).toBeLessThan(1.1 * megabytes(200, 300));
});

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { toyRunConfig, toyWorkplace } from "../app/toy-experiment.ts";
import { type Ended, m2se } from "./program.ts";

const place = toyWorkplace();

/** Trains the toy; with a number, kills it -9 so many milliseconds after its first step. */
function train(runDir: string, { killAfterMs, flags = [] }: { killAfterMs?: number; flags?: readonly string[] } = {}): Promise<Ended> {
  let timer: NodeJS.Timeout | undefined;
  return m2se(["train", "--config", join(place.folder, "toy.yaml"), "--stage", "all", "--run-dir", runDir, ...flags], {
    onOutput: (out, kill) => {
      if (killAfterMs !== undefined && out.includes('"kind":"step"')) timer ??= setTimeout(() => kill("SIGKILL"), killAfterMs);
    },
  });
}

test("killed again and again at any moment, a run ends in the very checkpoints of one that was left alone", async () => {
  const toy = toyRunConfig(place.folder);
  const stages = toy.stages.map((stage) => ({ ...stage, checkpoints: { everySteps: 1, keep: 2 } }));
  await writeFile(join(place.folder, "toy.yaml"), JSON.stringify({ ...toy, stages })); // JSON is YAML
  const [whole, killed] = [join(place.folder, "whole"), join(place.folder, "killed")];
  expect((await train(whole)).signal).toBeNull();

  const signals: unknown[] = [];
  for (const killAfterMs of [0, 90, 10, 150, 40]) signals.push((await train(killed, { killAfterMs, flags: signals.length === 0 ? [] : ["--resume"] })).signal);
  const last = await train(killed, { flags: ["--resume"] });

  expect(signals.filter((signal) => signal === "SIGKILL").length).toBeGreaterThanOrEqual(4); // the last may have been quicker
  expect(last.events.at(-1)?.["kind"]).toMatch(/^stage-(end|start)$/);
  for (const stage of ["stage-1", "stage-2"]) {
    const folders = (await readdir(join(whole, stage))).sort();
    expect(folders.length).toBe(2);
    const left = (await readdir(join(killed, stage))).sort();
    expect(left.at(-1)).toBe(folders.at(-1));
    for (const file of ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"]) {
      const path = join(stage, folders.at(-1)!, file);
      expect((await readFile(join(killed, path))).equals(await readFile(join(whole, path))), path).toBe(true);
    }
  }
});

import { spawn } from "node:child_process";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { toyRunConfig, toyWorkplace } from "../app/toy-experiment.ts";

const BIN = join(import.meta.dirname, "../../src/cli/bin.mjs");
const place = toyWorkplace();

type Json = Readonly<Record<string, unknown>>;

/** Trains through the real program; with a number, kills it -9 so many milliseconds after its first step. */
function train(runDir: string, { killAfterMs, flags = [] }: { killAfterMs?: number; flags?: readonly string[] } = {}): Promise<{ signal: NodeJS.Signals | null; events: readonly Json[] }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BIN, "train", "--config", join(place.folder, "toy.yaml"), "--stage", "all", "--run-dir", runDir, "--json", ...flags], { stdio: ["ignore", "pipe", "ignore"] });
    let out = "";
    let timer: NodeJS.Timeout | undefined;
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      if (killAfterMs !== undefined && out.includes('"kind":"step"')) timer ??= setTimeout(() => child.kill("SIGKILL"), killAfterMs);
    });
    child.on("error", reject);
    child.on("close", (_, signal) => resolve({ signal, events: out.split("\n").flatMap((line) => (line.endsWith("}") ? [JSON.parse(line) as Json] : [])) }));
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

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../temporary-folder.ts";
import { type Ended, m2se } from "./program.ts";

const ROOT = join(import.meta.dirname, "../..");
const FROZEN = 'stages.0.trainable=[{ match: "^(language_model|mlp1|audio_mlp)\\\\.", learningRate: 1e-3 }]';

/** On the fixture, with stage 1 leaving the towers as they start. */
function smoke(folder: string, command: readonly string[], { signal, when = "" }: { readonly signal?: NodeJS.Signals; readonly when?: string } = {}): Promise<Ended> {
  let sent = false;
  return m2se([...command, "--config", join(ROOT, "configs/smoke.yaml"), "--set", "data.cache=cache", "--set", FROZEN], {
    cwd: folder,
    onOutput: (out, kill) => {
      if (signal === undefined || sent || !out.includes(when)) return;
      sent = true;
      kill(signal);
    },
  });
}

test("two processes that fill one cache at once, and two that train from it, do not disturb each other", async () => {
  const folder = await temporaryFolder();

  const both = await Promise.all([smoke(folder, ["prepare"]), smoke(folder, ["prepare"])]);
  const after = await smoke(folder, ["prepare"]);

  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  const [first, second] = both.map(({ events }) => events.at(-1)!);
  expect(first).toMatchObject({ kind: "prepared", rebuilt: 0, unreadable: 0 });
  const clips = Number(first?.["clips"]);
  expect(clips).toBe(56);
  for (const summary of [first, second]) expect(Number(summary?.["computed"]) + Number(summary?.["present"])).toBe(2 * clips);
  expect(after.events.at(-1)).toMatchObject({ clips, computed: 0, present: 2 * clips, rebuilt: 0, bytes: 0 });
  const files = (await readdir(join(folder, "cache/states"), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  expect(files.length).toBe(2 * clips);
  expect(files.every(({ name }) => name.endsWith(".states"))).toBe(true); // no temporary files left

  const trained = await Promise.all(["a", "b"].map((run) => smoke(folder, ["train", "--stage", "1", "--run-dir", run])));
  expect(trained.map(({ code }) => code)).toEqual([0, 0]);
  for (const { events } of trained) expect(events.find(({ kind }) => kind === "features")).toMatchObject({ computed: 0, rebuilt: 0 });
  const [a, b] = await Promise.all(["a", "b"].map((run) => readFile(join(folder, run, "stage-1/step-000003/model.safetensors"))));
  expect(a!.equals(b!)).toBe(true);
});

test("SIGINT stops preparing between two clips; what is done stays done", async () => {
  const folder = await temporaryFolder();

  const cut = await smoke(folder, ["prepare"], { signal: "SIGINT", when: '"done":5' });
  const rest = await smoke(folder, ["prepare", "--shard", "1/1"]);

  expect(cut.code).toBe(130);
  const done = Number(cut.events.at(-1)?.["clips"]);
  expect(cut.events.at(-1)?.["kind"]).toBe("prepared");
  expect(done).toBeGreaterThan(4);
  expect(done).toBeLessThan(56);
  expect(rest.code).toBe(0);
  expect(rest.events.at(-1)).toMatchObject({ clips: 56, present: 2 * done, computed: 2 * (56 - done), rebuilt: 0 });
});

import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../temporary-folder.ts";
import { type Ended, m2se } from "./program.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Trains the smoke config in `folder`; with a signal, sends it (twice, as npx does) after the first step. */
function train(folder: string, { signal, flags = [] }: { signal?: NodeJS.Signals; flags?: readonly string[] }): Promise<Ended> {
  let sent = false;
  return m2se(["train", "--config", join(ROOT, "configs/smoke.yaml"), "--stage", "1", "--run-dir", "run", "--set", "data.cache=cache", ...flags], {
    cwd: folder,
    onOutput: (out, kill) => {
      if (signal === undefined || sent || !out.includes('"kind":"step"')) return;
      sent = true;
      kill(signal);
      kill(signal);
    },
  });
}

test.each([["SIGINT", 130], ["SIGTERM", 143]] as const)("%s saves a checkpoint and exits with %d; --resume goes on after it", async (signal, exitCode) => {
  const folder = await temporaryFolder();

  const stopped = await train(folder, { signal });
  const resumed = await train(folder, { flags: ["--resume"] });

  const last = stopped.events.at(-1);
  const saved = stopped.events.findLast(({ kind }) => kind === "checkpoint");
  expect({ code: stopped.code, last }).toMatchObject({ code: exitCode, last: { kind: "interrupted", signal } });
  expect(saved).toMatchObject({ reason: "interrupted", step: last?.["step"] });
  expect(existsSync(join(String(saved?.["path"]), "manifest.json"))).toBe(true);
  expect(resumed.code).toBe(0);
  expect(resumed.events.find(({ kind }) => kind === "stage-start")).toMatchObject({ resumedFrom: last?.["step"] });
  expect(resumed.events.filter(({ kind }) => kind === "step").map(({ step }) => step)).toEqual([1, 2, 3].filter((step) => step > Number(last?.["step"])));
});

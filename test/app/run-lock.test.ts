import { spawnSync } from "node:child_process";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { lockRunFolder } from "../../src/app/run-lock.ts";
import { machineName } from "../../src/core/processes.ts";
import { temporaryFolder } from "../temporary-folder.ts";

test("a run directory is one process's until it is given back", async () => {
  const runDir = join(await temporaryFolder(), "run");
  const release = await lockRunFolder(runDir);

  await expect(lockRunFolder(runDir)).rejects.toThrow(
    new RegExp(
      `^SystemError ${join(runDir, "training.lock")}: this run directory is being trained in\\. Got process ${process.pid} on ${machineName()} since 20\\S+, expected nobody\\.\\n` +
        " {2}Wait for it, stop it, or choose another --run-dir\\. If it is gone, delete this file\\.$",
    ),
  );
  await release();
  await (await lockRunFolder(runDir))();

  expect(await readdir(runDir)).toEqual([]);
});

test("what a killed process left is taken over, another machine's is not", async () => {
  const runDir = await temporaryFolder();
  const { pid } = spawnSync(process.execPath, ["-e", ""]); // it has ended
  const lockOf = (machine: string): string => JSON.stringify({ machine, pid, since: "2024-01-01T00:00:00Z" });
  const lock = join(runDir, "training.lock");

  for (const left of [lockOf(machineName()), ""]) {
    await writeFile(lock, left);
    await (await lockRunFolder(runDir))();
  }
  await writeFile(lock, lockOf("elsewhere"));

  await expect(lockRunFolder(runDir)).rejects.toThrow(`Got process ${pid} on elsewhere since 2024-01-01T00:00:00Z, expected nobody`);
});

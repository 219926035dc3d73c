/** @file One training at a time in a run directory: two would mix their events and rotate each other's checkpoints away. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import { describeSystemError, makeFolder } from "../core/files.ts";
import { isAlive, machineName } from "../core/processes.ts";

const LOCK = "training.lock";

const ownerSchema = z.object({ machine: z.string(), pid: z.number().int().positive(), since: z.string() });
type Owner = z.infer<typeof ownerSchema>;

/**
 * Takes the run directory, from a process that was killed too.
 *
 * @returns what gives it back.
 * @throws UserError - SystemError when another process trains in it, or the folder cannot be written.
 */
export async function lockRunFolder(runDir: string): Promise<() => Promise<void>> {
  const path = join(runDir, LOCK);
  await makeFolder(runDir).catch((error: unknown) => {
    throw describeSystemError(error, runDir);
  });
  if (!(await take(path))) {
    const owner = await readOwner(path);
    if (owner !== undefined && !isGone(owner)) throw taken(path, owner);
    await rm(path, { force: true });
    if (!(await take(path))) throw taken(path, await readOwner(path));
  }
  return () => rm(path, { force: true });
}

/** Whether the lock is ours now. */
async function take(path: string): Promise<boolean> {
  const owner: Owner = { machine: machineName(), pid: process.pid, since: new Date().toISOString() };
  return writeFile(path, `${JSON.stringify(owner)}\n`, { flag: "wx" }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
      throw describeSystemError(error, path);
    },
  );
}

/** Undefined when the file is gone, or its writer was killed before it wrote. */
async function readOwner(path: string): Promise<Owner | undefined> {
  try {
    return ownerSchema.safeParse(JSON.parse(await readFile(path, "utf8"))).data;
  } catch {
    return undefined;
  }
}

function isGone({ machine, pid }: Owner): boolean {
  return machine === machineName() && !isAlive(pid);
}

function taken(path: string, owner: Owner | undefined): UserError {
  const who = owner === undefined ? "another process" : `process ${owner.pid} on ${owner.machine} since ${owner.since}`;
  return new UserError({ kind: "SystemError", where: path, what: `this run directory is being trained in. Got ${who}, expected nobody`, hint: "Wait for it, stop it, or choose another --run-dir. If it is gone, delete this file." });
}

/** @file The checkpoint folders of a stage: step-000200 and so on, temporary ones, the newest, and which may go. */
import { randomBytes } from "node:crypto";
import { open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { describeSystemError, isMissing } from "../core/files.ts";
import { isAlive, machineName } from "../core/processes.ts";
import { isComplete } from "./checkpoint-manifest.ts";

const STEP = /^step-(\d{6,})$/;
const TEMPORARY = /^\.(?:writing|removing)-(.+)-(\d+)-[0-9a-f]{8}$/;
const STALE_MS = 24 * 3600 * 1000;

/** `step-000200`: zero-padded, so that names sort like steps. */
export function stepFolderName(step: number): string {
  return `step-${String(step).padStart(6, "0")}`;
}

/** A name that no reader takes for a checkpoint, and that tells which process it belongs to. */
export function temporaryFolderName(purpose: "writing" | "removing"): string {
  return `.${purpose}-${machineName()}-${process.pid}-${randomBytes(4).toString("hex")}`;
}

/** Complete checkpoints of a stage by rising step; none when the folder does not exist. */
export async function listCheckpoints(stageDir: string): Promise<{ step: number; folder: string }[]> {
  const numbered = await stepFolders(stageDir);
  const complete = await Promise.all(numbered.map(({ folder }) => isComplete(folder)));
  return numbered.filter((_, i) => complete[i]);
}

/** Folder of the newest checkpoint of a stage, complete or not. We write none that is not: an incomplete one lost files later. */
export async function newestStepFolder(stageDir: string): Promise<string | undefined> {
  return (await stepFolders(stageDir)).at(-1)?.folder;
}

async function stepFolders(stageDir: string): Promise<{ step: number; folder: string }[]> {
  return (await entriesOf(stageDir))
    .flatMap((name) => {
      const digits = STEP.exec(name)?.[1];
      return digits === undefined ? [] : [{ step: Number(digits), folder: join(stageDir, name) }];
    })
    .sort((a, b) => a.step - b.step);
}

/** Folder of the newest complete checkpoint of a stage. */
export async function latestCheckpoint(stageDir: string): Promise<string | undefined> {
  return (await listCheckpoints(stageDir)).at(-1)?.folder;
}

/**
 * Removes all but the newest `keep` checkpoints.
 *
 * @param protect - folders that stay in any case: the best one, the one this run started from.
 * @returns the removed folders.
 */
export async function rotateCheckpoints(stageDir: string, { keep, protect }: { keep: number; protect: readonly string[] }): Promise<string[]> {
  const all = (await listCheckpoints(stageDir)).map(({ folder }) => folder);
  const protectedPaths = new Set(protect.map((folder) => resolve(folder)));
  const surplus = all.slice(0, Math.max(0, all.length - keep)).filter((folder) => !protectedPaths.has(resolve(folder)));
  for (const folder of surplus) await removeFolder(stageDir, folder);
  return surplus;
}

/** Makes a finished temporary folder visible as `folder`, in place of an earlier one of that name. */
export async function replaceFolder(stageDir: string, { writing, folder }: { writing: string; folder: string }): Promise<void> {
  const leaving = join(stageDir, temporaryFolderName("removing"));
  const hadEarlier = (await entriesOf(stageDir)).includes(basename(folder));
  if (hadEarlier) await rename(folder, leaving);
  try {
    await rename(writing, folder);
  } catch (error) {
    if (hadEarlier) await rename(leaving, folder);
    throw error;
  }
  await syncFolder(stageDir);
  if (hadEarlier) await rm(leaving, { recursive: true, force: true });
}

/** Renames first: a folder that is half removed must not look like a checkpoint. */
async function removeFolder(stageDir: string, folder: string): Promise<void> {
  const leaving = join(stageDir, temporaryFolderName("removing"));
  await rename(folder, leaving);
  await rm(leaving, { recursive: true, force: true });
}

/** Makes renames in a folder survive a power cut. */
async function syncFolder(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Removes what killed processes left behind; folders of processes that are alive stay. */
export async function removeStaleFolders(stageDir: string): Promise<void> {
  for (const name of await entriesOf(stageDir)) {
    const owner = TEMPORARY.exec(name);
    if (owner === null) continue;
    const path = join(stageDir, name);
    const ownerIsGone = owner[1] === machineName() && !isAlive(Number(owner[2]));
    if (ownerIsGone || (await ageMs(path)) > STALE_MS) await rm(path, { recursive: true, force: true });
  }
}

async function entriesOf(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw describeSystemError(error, folder);
  });
}

async function ageMs(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
}

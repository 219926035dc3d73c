/** @file A run's folder: config.json plan-<stage>.json provenance.json events.jsonl, stage-1/step-000200/, eval/. */
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type RunConfig, runConfigSchema } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import { describeSystemError, makeFolder, toJson, writeFileAtomic } from "../core/files.ts";
import { latestCheckpoint, newestStepFolder, stepFolderName } from "../train/checkpoint-folders.ts";
import { type Checkpoint, readCheckpoint } from "../train/checkpoint.ts";

const CONFIG = "config.json";

/** `stage-2` for the second stage of the config. */
export function stageFolder({ stages }: Pick<RunConfig, "stages">, stage: string, runDir: string): string {
  return join(runDir, `stage-${stages.findIndex(({ name }) => name === stage) + 1}`);
}

/** Where decoded clips and frozen features are kept: the config's cache, which runs may share, else one in the run directory. */
export function mediaCacheFolder({ data }: Pick<RunConfig, "data">, runDir: string): string {
  return data.cache ?? join(runDir, "cache");
}

/**
 * The stage's result: its best checkpoint by the validation metric, else its last; undefined before the first checkpoint.
 *
 * @throws UserError - CheckpointError when the stage was interrupted, or its last checkpoint is damaged: an earlier one is not its result.
 */
export async function stageResult(folder: string): Promise<Checkpoint | undefined> {
  const latest = await newestStepFolder(folder);
  if (latest === undefined) return undefined;
  const checkpoint = await readCheckpoint(latest);
  const { step, steps, best, stage } = checkpoint.state;
  if (step < steps) {
    throw new UserError({ kind: "CheckpointError", where: latest, what: `stage "${stage}" was interrupted. Got ${step} steps, expected ${steps}`, hint: `Finish it first: m2se train --stage ${stage} --resume with the same --run-dir.` });
  }
  return best === null || best.step === step ? checkpoint : readCheckpoint(join(folder, stepFolderName(best.step)));
}

/** Whether the stage was trained to its end. */
export async function isFinished(folder: string): Promise<boolean> {
  const latest = await latestCheckpoint(folder);
  if (latest === undefined) return false;
  const { step, steps } = (await readCheckpoint(latest)).state;
  return step >= steps;
}

/** Saves the resolved config; a run directory belongs to one config. */
export async function writeRunConfig(runDir: string, config: RunConfig): Promise<void> {
  await writeFileAtomic(join(runDir, CONFIG), toJson(config));
}

/** The config that a run was started with. */
export async function readRunConfig(runDir: string): Promise<RunConfig> {
  const path = join(runDir, CONFIG);
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    const missing = error instanceof Error && "code" in error && ["ENOENT", "ENOTDIR"].includes(String(error.code));
    throw missing ? new UserError({ kind: "CheckpointError", where: path, what: "not a run directory of m2se: it has no config.json", hint: "Name the folder that m2se train printed as run directory." }) : describeSystemError(error, path);
  });
  const parsed = runConfigSchema.safeParse(parseJson(text, path));
  if (parsed.success) return parsed.data;
  throw new UserError(parsed.error.issues.map((issue) => ({ kind: "ConfigError" as const, where: `${path} ${issue.path.join(".")}`, what: issue.message, hint: "This run was made by another version of m2se." })));
}

/** Whether this folder holds a run already. */
export async function hasRun(runDir: string): Promise<boolean> {
  return readFile(join(runDir, CONFIG)).then(
    () => true,
    () => false,
  );
}

/** Appends events to events.jsonl, one per line. @throws UserError - SystemError when the disk is full or the folder cannot be written. */
export async function openEventLog(runDir: string): Promise<{ write(event: object): Promise<void>; close(): Promise<void> }> {
  const path = join(runDir, "events.jsonl");
  const described = (error: unknown): never => {
    throw describeSystemError(error, path);
  };
  await makeFolder(runDir).catch(described);
  const file = await open(path, "a").catch(described);
  return {
    write: (event) => file.appendFile(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`).catch(described),
    close: () => file.close(),
  };
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError({ kind: "CheckpointError", where: path, what: "this file is not JSON" }, { cause: error });
  }
}

/**
 * @file A checkpoint: one folder with model.safetensors, optimizer.safetensors, state.json and manifest.json. It is
 * written under a temporary name and renamed when done, so that it is either whole or not there.
 */
import { mkdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { tensor } from "@tensorflow/tfjs-core";
import { z } from "zod";
import { UserError, type Problem } from "../core/errors.ts";
import { describeSystemError, makeFolder, toJson, writeFileAtomic } from "../core/files.ts";
import { nearestNames } from "../core/suggest.ts";
import { openSafetensors } from "../model/checkpoints/safetensors.ts";
import { writeSafetensors, type TensorToWrite } from "../model/checkpoints/write-safetensors.ts";
import { isLora } from "../model/lora.ts";
import type { ParamStore } from "../model/params.ts";
import type { AdamWState } from "./adamw.ts";
import { removeStaleFolders, replaceFolder, stepFolderName, temporaryFolderName } from "./checkpoint-folders.ts";
import { verifyManifest, writeManifest } from "./checkpoint-manifest.ts";
import { readOptimizer, writeOptimizer } from "./optimizer-file.ts";

const MODEL = "model.safetensors";
const OPTIMIZER = "optimizer.safetensors";
const STATE = "state.json";

const stateSchema = z.strictObject({
  stage: z.string(),
  /** Finished optimizer steps, out of `steps`. Everything random follows from seed, stage and step. */
  step: z.number().int().nonnegative(),
  steps: z.number().int().nonnegative(),
  epoch: z.number().int().nonnegative(),
  seed: z.number().int(),
  /** Hash of what may not change between stopping and going on. */
  configHash: z.string(),
  /** Hash of the samples that steps are drawn from; older checkpoints lack it. */
  samples: z.string().optional(),
  /** Hashes of the base model (`baseHash`), of its tokenizer (`tokenizerHash`; older checkpoints lack it), and of the checkpoint that the stage started from. */
  lineage: z.strictObject({ base: z.string(), tokenizer: z.string().optional(), parent: z.string().nullable() }),
  /** The best validation result of the stage so far, and the step it belongs to. */
  best: z.strictObject({ step: z.number().int(), task: z.string(), metric: z.string(), value: z.number() }).nullable(),
});
export type CheckpointState = Readonly<z.infer<typeof stateSchema>>;
export type BestResult = NonNullable<CheckpointState["best"]>;

/** A checkpoint whose every byte was checked. */
export interface Checkpoint {
  readonly folder: string;
  /** Hash of the whole checkpoint: the `lineage.parent` of its children. */
  readonly hash: string;
  readonly state: CheckpointState;
}

export interface CheckpointContent {
  /** Weights that differ from the base model, whichever stage trained them; `storeTensors(store, names)`. */
  readonly weights: Iterable<TensorToWrite>;
  readonly optimizer: AdamWState;
  readonly state: CheckpointState;
}

/**
 * Saves a checkpoint as `<stageDir>/step-NNNNNN`. Weights and optimizer must not change until it is done. Whatever
 * fails, and whenever the process is killed, earlier checkpoints stay as they were.
 *
 * @throws UserError - SystemError when the disk is full or the folder cannot be written.
 */
export async function saveCheckpoint(stageDir: string, { weights, optimizer, state }: CheckpointContent): Promise<Checkpoint> {
  const folder = join(stageDir, stepFolderName(state.step));
  const writing = join(stageDir, temporaryFolderName("writing"));
  try {
    await makeFolder(stageDir);
    await removeStaleFolders(stageDir);
    await mkdir(writing);
    await writeSafetensors(join(writing, MODEL), weights);
    await writeOptimizer(join(writing, OPTIMIZER), optimizer);
    await writeFileAtomic(join(writing, STATE), toJson(state));
    const hash = await writeManifest(writing, [MODEL, OPTIMIZER, STATE]);
    await replaceFolder(stageDir, { writing, folder });
    return { folder, hash, state };
  } catch (error) {
    await rm(writing, { recursive: true, force: true });
    throw describeFailure(error, folder);
  }
}

/**
 * Opens a checkpoint after checking all of it.
 *
 * @throws UserError - CheckpointError when it is incomplete, damaged, or not a checkpoint.
 */
export async function readCheckpoint(folder: string): Promise<Checkpoint> {
  const hash = await verifyManifest(folder);
  const path = join(folder, STATE);
  const parsed = stateSchema.safeParse(parseState(await readFile(path, "utf8"), path));
  if (parsed.success) return { folder, hash, state: parsed.data };
  throw new UserError(parsed.error.issues.map((issue) => ({ kind: "CheckpointError", where: path, what: `${issue.path.join(".") || "the file"}: ${issue.message}`, hint: "The checkpoint was made by another version of this program." })));
}

function parseState(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError({ kind: "CheckpointError", where: path, what: "this file is not JSON", hint: "The checkpoint is damaged: name another one." }, { cause: error });
  }
}

/**
 * Puts a checkpoint's weights on the model in `store`, adapters included.
 *
 * @returns their names: what differs from the base, to be saved again by stages that start from here.
 * @throws UserError - CheckpointError listing tensors that do not fit the model, before anything is changed.
 */
export async function loadCheckpointWeights({ folder }: Checkpoint, store: ParamStore): Promise<string[]> {
  const file = await openSafetensors(join(folder, MODEL));
  try {
    const problems = file.names.flatMap((name): string[] => {
      const { shape } = file.info(name);
      if (!store.has(name)) return isLora(name) && store.has(`${moduleOf(name)}.weight`) ? [] : [`tensor "${name}" is not in this model; nearest: ${nearestNames(name, store.names())[0] ?? "none"}`];
      const expected = store.shapeOf(name);
      return shape.join() === expected.join() ? [] : [`tensor "${name}": Got shape [${shape.join(", ")}], expected [${expected.join(", ")}]`];
    });
    if (problems.length > 0) throw new UserError(problems.slice(0, 12).map((what): Problem => ({ kind: "CheckpointError", where: folder, what, hint: "Use the model folder and the lora settings that the checkpoint was trained with." })));
    for (const name of file.names) store.set(name, tensor(await file.readFloats(name), [...file.info(name).shape], "float32"));
    return [...file.names];
  } finally {
    await file.close();
  }
}

/** The optimizer's state of a checkpoint. */
export async function readCheckpointOptimizer({ folder }: Checkpoint): Promise<AdamWState> {
  return readOptimizer(join(folder, OPTIMIZER));
}

/**
 * Refuses a checkpoint that does not belong to what is about to run.
 *
 * @param expected - the fields to compare; what is left out may be anything.
 * @throws UserError - CheckpointError for each difference.
 */
export function checkCheckpoint({ folder, state }: Checkpoint, expected: { readonly base?: string; readonly tokenizer?: string; readonly parent?: string | null; readonly stage?: string; readonly configHash?: string; readonly samples?: string }): void {
  const rules: readonly (readonly [found: string | null, wanted: string | null | undefined, what: string, hint: string])[] = [
    [state.stage, expected.stage, "stage", "Name a checkpoint of this stage, or start the stage anew."],
    [state.lineage.base, expected.base, "base model", "Use the model folder (and, for a random start, the seed) that the checkpoint was trained from."],
    [state.lineage.tokenizer ?? null, state.lineage.tokenizer && expected.tokenizer, "tokenizer", "The tokenizer's files in the model folder have changed since: restore them, or train again."],
    [state.lineage.parent, expected.parent, "parent checkpoint", "The stage before was trained again: train this stage again too."],
    [state.configHash, expected.configHash, "config", "Go on with the config that the run was started with, or start in a new run directory."],
    [state.samples ?? null, state.samples && expected.samples, "set of training samples", "train.jsonl or the tokenizer has changed, or other clips cannot be read: restore them, or start in a new run directory."],
  ];
  const problems = rules
    .filter(([found, wanted]) => wanted !== undefined && found !== wanted)
    .map(([found, wanted, what, hint]): Problem => ({ kind: "CheckpointError", where: folder, what: `made with another ${what}: Got ${shorten(found)}, expected ${shorten(wanted)}`, hint }));
  if (problems.length > 0) throw new UserError(problems);
}

function shorten(value: string | null | undefined): string {
  return value?.slice(0, 12) ?? "none";
}

/** A full disk in a temporary file is reported for the checkpoint that the user knows. */
function describeFailure(error: unknown, folder: string): unknown {
  if (!(error instanceof UserError)) return describeSystemError(error, folder);
  const [problem] = error.problems;
  if (problem?.kind !== "SystemError") return error;
  return new UserError({ ...problem, where: folder, hint: "The checkpoint was not saved; earlier ones are whole, --resume goes on from the newest." }, { cause: error });
}

function moduleOf(name: string): string {
  return name.replace(/\.lora_(?:[AB]\.weight|scale)$/, "");
}

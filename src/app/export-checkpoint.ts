/** @file A checkpoint as a folder that others read: its adapters in PEFT's form, or the whole model with the adapters folded in. */
import { readdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { selectBackend } from "../backend/select.ts";
import type { BackendName, RunConfig } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import { describeSystemError, isMissing, makeFolder } from "../core/files.ts";
import { moduleLayoutOf } from "../model/checkpoints/key-layouts.ts";
import { openWeightFiles } from "../model/checkpoints/weight-files.ts";
import { writeAdapter } from "../model/checkpoints/write-peft.ts";
import { adaptedModules, isLora } from "../model/lora.ts";
import { temporaryFolderName } from "../train/checkpoint-folders.ts";
import { type LoadedAnswering, openAnswering } from "./answering.ts";
import { openModel, type OpenModel } from "./experiment.ts";
import { writeMerged } from "./export-merged.ts";
import type { LogitDifference } from "./fixed-prompts.ts";
import { loraOf } from "./stage-adapters.ts";

export const EXPORT_FORMATS = ["peft", "merged"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

export interface ExportOptions {
  readonly checkpoint: string;
  /** A new or empty folder. */
  readonly out: string;
  readonly format: ExportFormat;
  readonly backend?: BackendName;
  readonly signal: AbortSignal;
}

export interface ExportResult {
  readonly format: ExportFormat;
  readonly out: string;
  readonly files: readonly string[];
  /** Modules whose adapter was written or folded in. */
  readonly adapters: number;
  /** Parameters that differ from the base model's, adapters apart. */
  readonly alsoTrained: number;
  /** Between the folder, read again, and base with adapters; of `merged`. */
  readonly logits?: LogitDifference;
}

/**
 * Writes the folder under a temporary name beside `out` and renames it when all of it is there and checked.
 *
 * @throws UserError - ConfigError when `out` is not empty; CheckpointError when the checkpoint does not belong to the model folder, or has no form in this
 * format; SystemError when the disk is full, or the merged model's logits are not those of base with adapters.
 */
export async function exportCheckpoint({ checkpoint, out, format, backend, signal }: ExportOptions): Promise<ExportResult> {
  await requireEmpty(out);
  const answering = await openAnswering({ checkpoint });
  const { config } = answering;
  await selectBackend(backend ?? config.backend, config.precision);
  const open = await openModel(config);
  const loaded = await answering.loadWeights(open);
  const writing = join(dirname(out), temporaryFolderName("writing"));
  try {
    signal.throwIfAborted();
    await makeFolder(writing);
    const input: ExportInput = { config, open, loaded, writing, signal };
    const outcome = format === "peft" ? await writePeft(input) : await writeMerged(input);
    signal.throwIfAborted();
    const files = (await readdir(writing)).sort();
    await rmdir(out).catch(() => undefined); // an empty one
    await rename(writing, out);
    return { format, out, files, ...outcome };
  } catch (error) {
    throw describeSystemError(error, out);
  } finally {
    loaded.params.dispose();
    await rm(writing, { recursive: true, force: true });
  }
}

export interface ExportInput {
  readonly config: RunConfig;
  readonly open: OpenModel;
  readonly loaded: LoadedAnswering;
  /** The folder to fill. */
  readonly writing: string;
  readonly signal: AbortSignal;
}

export type ExportOutcome = Pick<ExportResult, "adapters" | "alsoTrained" | "logits">;

async function writePeft({ config, open: { model }, loaded: { params, checkpoint, changed }, writing }: ExportInput): Promise<ExportOutcome> {
  const adapters = adaptedModules(params).length;
  if (adapters === 0) throw notPeft(checkpoint.folder, "this checkpoint has no adapters");
  if (config.model.init === "random") throw notPeft(checkpoint.folder, "its base model was started at random and is in no folder that PEFT could load");
  const stage = config.stages.find(({ name }) => name === checkpoint.state.stage);
  const { dropout = 0, rslora = false } = (stage && loraOf(config, stage)) ?? {};
  const alsoTrained = changed.filter((name) => !isLora(name));
  const files = await openWeightFiles(model.folder);
  const layout = moduleLayoutOf(files.tensors.keys());
  await files.close();
  await writeAdapter(writing, params, { baseModel: model.folder, base: checkpoint.state.lineage.base, alsoTrained, dropout, rslora, layout });
  return { adapters, alsoTrained: alsoTrained.length };
}

function notPeft(where: string, what: string): UserError {
  return new UserError({ kind: "CheckpointError", where, what, hint: "Export with --format merged." });
}

async function requireEmpty(out: string): Promise<void> {
  const entries = await readdir(out).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw describeSystemError(error, out);
  });
  if (entries.length > 0) throw new UserError({ kind: "ConfigError", where: out, what: `--out is not empty, it holds "${basename(entries[0] ?? "")}"`, hint: "Name a new folder, or delete this one." });
}

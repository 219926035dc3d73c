/** @file A trained model to be asked: found from a run directory or from one of its checkpoints. */
import { basename, dirname, resolve } from "node:path";
import type { RunConfig } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import type { ParamStore } from "../model/params.ts";
import { checkCheckpoint, type Checkpoint, loadCheckpointWeights, readCheckpoint } from "../train/checkpoint.ts";
import type { OpenModel } from "./experiment.ts";
import { readRunConfig, stageFolder, stageResult } from "./run-folder.ts";
import { loadBase } from "./stage-weights.ts";

export interface Answering {
  readonly runDir: string;
  readonly config: RunConfig;
  /** Names the checkpoint where it is not the run's result. */
  readonly label: string | undefined;
  readonly loadWeights: (model: Pick<OpenModel, "model">) => Promise<LoadedAnswering>;
}

export interface LoadedAnswering {
  readonly params: ParamStore;
  readonly checkpoint: Checkpoint;
  /** Parameters that differ from the base model's. */
  readonly changed: readonly string[];
}

/** Opens the run; weights are loaded later, once the backend is chosen. */
export async function openAnswering(source: { readonly runDir: string } | { readonly checkpoint: string }): Promise<Answering> {
  const isRun = "runDir" in source;
  const runDir = isRun ? source.runDir : dirname(dirname(resolve(source.checkpoint)));
  const checkpoint = isRun ? undefined : await readCheckpoint(source.checkpoint);
  const config = await readRunConfig(runDir);
  const chosen = checkpoint ?? (await lastResult(config, runDir));
  return {
    runDir,
    config,
    label: isRun ? undefined : `${chosen.state.stage}-${basename(chosen.folder)}`,
    loadWeights: async ({ model }) => {
      const { params, base, tokenizer } = await loadBase(config, model);
      checkCheckpoint(chosen, { base, tokenizer });
      return { params, checkpoint: chosen, changed: await loadCheckpointWeights(chosen, params) };
    },
  };
}

/** The result of the last stage that was trained to its end. */
async function lastResult(config: RunConfig, runDir: string): Promise<Checkpoint> {
  for (const { name } of config.stages.toReversed()) {
    const result = await stageResult(stageFolder(config, name, runDir));
    if (result !== undefined) return result;
  }
  throw new UserError({ kind: "CheckpointError", where: runDir, what: "no stage of this run was trained to its end", hint: "Train it first: m2se train --stage all with the same --run-dir." });
}

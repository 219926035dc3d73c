/** @file The weights a stage starts from: the base model, then what earlier stages changed, then this stage's new adapters. */
import type { RunConfig, StageConfig } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import { baseHash, isDrawn, loadWeights, type ModelFolder } from "../model/checkpoints/hf-folder.ts";
import { packsOf } from "../model/frozen-base.ts";
import { initRandom } from "../model/init.ts";
import { ParamStore } from "../model/params.ts";
import { tokenizerHash } from "../text/tokenizer-files.ts";
import { checkCheckpoint, type Checkpoint, loadCheckpointWeights } from "../train/checkpoint.ts";
import { stageFolder, stageResult } from "./run-folder.ts";
import { startAdapters } from "./stage-adapters.ts";

export interface StageWeights {
  readonly params: ParamStore;
  /** Names that differ from the base model. */
  readonly changed: readonly string[];
  /** What they descend from: hashes of the base model and of its tokenizer, and the checkpoint of the stage before. */
  readonly base: string;
  readonly tokenizer: string;
  readonly parent: Checkpoint | undefined;
  readonly warnings: readonly string[];
}

/** The base model's weights, loaded or random, with its hash and its tokenizer's; what no file holds is random in any case. */
export async function loadBase(config: Pick<RunConfig, "model" | "seed">, folder: ModelFolder): Promise<Pick<StageWeights, "params" | "base" | "tokenizer">> {
  const { model: { init }, seed } = config;
  return { params: await loadBaseWeights(config, folder), base: await baseHash(folder, { init, seed }), tokenizer: await tokenizerHash(folder.folder) };
}

/** Those of the base model's weights that are wanted. */
export async function loadBaseWeights({ model: { init, frozenBase }, seed }: Pick<RunConfig, "model" | "seed">, folder: ModelFolder, isWanted: (name: string) => boolean = () => true): Promise<ParamStore> {
  const params = new ParamStore(packsOf(frozenBase));
  if (init === "weights") await loadWeights(folder, params, isWanted);
  initRandom(folder.config, seed, params, (name) => isWanted(name) && (init === "random" || isDrawn(folder, name)));
  return params;
}

/** What a stage starts from; its parent stage must have been trained in this run directory. */
export async function startStage(config: RunConfig, stage: StageConfig, { folder, runDir }: { folder: ModelFolder; runDir: string }): Promise<StageWeights> {
  const { params, base, tokenizer } = await loadBase(config, folder);
  const parent = stage.initFrom === "base" ? undefined : await parentCheckpoint(config, stage, { runDir, base, tokenizer });
  const changed = new Set(parent === undefined ? [] : await loadCheckpointWeights(parent, params));
  const adapters = await startAdapters(config, stage, { params, base });
  for (const name of adapters.changed) changed.add(name);
  return { params, changed: [...changed], base, tokenizer, parent, warnings: adapters.warnings };
}

/** The result of the stage that a stage starts from. @throws UserError - CheckpointError when it was not trained to its end in this run directory. */
export async function requireParent(config: RunConfig, { name, initFrom }: Pick<StageConfig, "name" | "initFrom">, runDir: string): Promise<Checkpoint> {
  const folder = stageFolder(config, initFrom, runDir);
  const checkpoint = await stageResult(folder);
  if (checkpoint !== undefined) return checkpoint;
  throw new UserError({
    kind: "CheckpointError",
    where: folder,
    what: `stage "${name}" starts from stage "${initFrom}", which has no finished checkpoint here`,
    hint: `Train it first: m2se train --stage ${initFrom} with the same --run-dir.`,
  });
}

async function parentCheckpoint(config: RunConfig, stage: StageConfig, { runDir, base, tokenizer }: { runDir: string } & Pick<StageWeights, "base" | "tokenizer">): Promise<Checkpoint> {
  const checkpoint = await requireParent(config, stage, runDir);
  checkCheckpoint(checkpoint, { base, tokenizer, stage: stage.initFrom });
  return checkpoint;
}

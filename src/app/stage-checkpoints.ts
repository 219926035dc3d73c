/** @file The checkpoints of a stage under way: where it goes on, how it is saved, which result is the best so far. */
import { join } from "node:path";
import type { RunConfig, StageConfig } from "../config/index.ts";
import { sha256 } from "../core/hash.ts";
import { locateStep } from "../curriculum/schedule.ts";
import { storeTensors } from "../model/checkpoints/store-tensors.ts";
import type { AdamWState } from "../train/adamw.ts";
import { latestCheckpoint, rotateCheckpoints, stepFolderName } from "../train/checkpoint-folders.ts";
import { type BestResult, checkCheckpoint, type CheckpointState, loadCheckpointWeights, readCheckpoint, readCheckpointOptimizer, saveCheckpoint } from "../train/checkpoint.ts";
import { configHash } from "./config-hash.ts";
import type { PreparedStage } from "./prepare-stage.ts";
import { stageFolder } from "./run-folder.ts";
import type { StageWeights } from "./stage-weights.ts";

export interface StageUnderWay {
  readonly config: RunConfig;
  readonly stage: StageConfig;
  readonly runDir: string;
  readonly weights: StageWeights;
  readonly prepared: PreparedStage;
  /** `trainingSource`. */
  readonly source: string;
}

export interface StageCheckpoints {
  /** Finished steps, and the optimizer after them, which training changes in place. */
  readonly start: { readonly step: number; readonly moments: AdamWState };
  /** The best validation result so far; null before the first. */
  readonly best: () => BestResult | null;
  /** Saves the stage as it is after a step, and removes older checkpoints but the best; returns the new folder. */
  readonly save: (step: number) => Promise<string>;
  /** As `save`, after a step with the best result so far. */
  readonly saveBest: (best: BestResult) => Promise<void>;
}

/**
 * Opens the newest checkpoint of the stage, whose weights replace those it would start from, else its beginning.
 *
 * @throws UserError - CheckpointError when the checkpoint is damaged or belongs to another config, base, parent or set of samples.
 */
export async function openStageCheckpoints(underWay: StageUnderWay): Promise<StageCheckpoints> {
  const { config, stage, runDir, weights, prepared } = underWay;
  const folder = stageFolder(config, stage.name, runDir);
  // Once for all checkpoints: a large dataset has a million ids.
  const samples = samplesHash(underWay);
  const resumed = await resumePoint(folder, underWay, samples);
  const changed = [...new Set([...weights.changed, ...prepared.learningRates.keys()])];
  let { best } = resumed;
  const save = async (step: number): Promise<string> => {
    const checkpoint = await saveCheckpoint(folder, { weights: storeTensors(weights.params, changed), optimizer: resumed.moments, state: stateAfter(step, underWay, { samples, best }) });
    await rotateCheckpoints(folder, { keep: stage.checkpoints.keep, protect: best === null ? [] : [join(folder, stepFolderName(best.step))] });
    return checkpoint.folder;
  };
  return {
    start: { step: resumed.step, moments: resumed.moments },
    best: () => best,
    save,
    saveBest: async (result) => {
      best = result;
      await save(result.step);
    },
  };
}

interface ResumePoint {
  readonly step: number;
  readonly moments: AdamWState;
  readonly best: BestResult | null;
}

async function resumePoint(folder: string, { config, stage, weights: { params, base, parent } }: StageUnderWay, samples: string): Promise<ResumePoint> {
  const latest = await latestCheckpoint(folder);
  if (latest === undefined) return { step: 0, moments: new Map(), best: null };
  const checkpoint = await readCheckpoint(latest);
  checkCheckpoint(checkpoint, { base, parent: parent?.hash ?? null, stage: stage.name, configHash: configHash(config, stage), samples });
  await loadCheckpointWeights(checkpoint, params);
  return { step: checkpoint.state.step, moments: await readCheckpointOptimizer(checkpoint), best: checkpoint.state.best };
}

function stateAfter(step: number, { config, stage, weights, prepared: { schedule } }: StageUnderWay, found: Pick<CheckpointState, "samples" | "best">): CheckpointState {
  return {
    stage: stage.name,
    step,
    steps: schedule.steps,
    epoch: step === 0 ? 0 : locateStep(schedule, step).epoch,
    seed: config.seed,
    configHash: configHash(config, stage),
    lineage: { base: weights.base, tokenizer: weights.tokenizer, parent: weights.parent?.hash ?? null },
    ...found,
  };
}

/** Of what they are made from, and of which are there: a clip that cannot be read takes samples away. */
function samplesHash({ source, prepared: { schedule } }: StageUnderWay): string {
  return sha256(source, schedule.samples.map(({ id }) => id).join("\n"));
}

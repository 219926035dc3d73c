/** @file One stage from its starting weights to its last checkpoint, in a run directory. */
import { join } from "node:path";
import type { StageConfig } from "../config/index.ts";
import { toJson, writeFileAtomic } from "../core/files.ts";
import { featureRows } from "../curriculum/batch.ts";
import type { Encoder } from "../curriculum/outline.ts";
import { locateStep } from "../curriculum/schedule.ts";
import { disposeMoments } from "../train/adamw.ts";
import type { RunEvent } from "../train/events.ts";
import { type StageRun, trainStage } from "../train/train-stage.ts";
import { type BatchSource, openBatchSource } from "./batch-source.ts";
import type { RunClips } from "./clips.ts";
import type { CacheWatch } from "./cache-watch.ts";
import type { Experiment } from "./experiment.ts";
import type { PreparedStage } from "./prepare-stage.ts";
import { computeStageFeatures } from "./stage-features.ts";
import { openStageCheckpoints, type StageCheckpoints } from "./stage-checkpoints.ts";
import { dropoutOf } from "./stage-adapters.ts";
import { startStage, type StageWeights } from "./stage-weights.ts";
import { validateStage } from "./validate-stage.ts";

export interface StageTask {
  readonly experiment: Experiment;
  readonly stage: StageConfig;
  readonly prepared: PreparedStage;
  readonly encode: Encoder;
  /** `trainingSource`. */
  readonly source: string;
  readonly clips: RunClips;
  readonly watch: CacheWatch;
  readonly runDir: string;
  readonly signal: AbortSignal;
}

/** Trains the stage from where it stands; a finished one only says so. Its plan is written into the run directory. */
export async function* runStage(task: StageTask): AsyncGenerator<RunEvent> {
  const { experiment, stage, prepared, runDir } = task;
  const { config } = experiment;
  const started = performance.now();
  const weights = await startStage(config, stage, { folder: experiment.model, runDir });
  try {
    await writeFileAtomic(join(runDir, `plan-${stage.name}.json`), toJson(prepared.plan));
    const checkpoints = await openStageCheckpoints({ config, stage, runDir, weights, prepared, source: task.source });
    try {
      yield* trainFromCheckpoint(task, { weights, checkpoints }, started);
    } finally {
      disposeMoments(checkpoints.start.moments);
    }
  } finally {
    weights.params.dispose();
  }
}

async function* trainFromCheckpoint(task: StageTask, ready: ReadyStage, started: number): AsyncGenerator<RunEvent> {
  const { experiment, stage, prepared, clips, signal } = task;
  const { weights, checkpoints } = ready;
  const { steps } = prepared.schedule;
  weights.params.setTrainable(prepared.learningRates.keys(), stage.budget.gradientCheckpointing ? "inputs" : "intermediates");
  const { trainableParameters, totalParameters } = prepared.plan;
  for (const message of weights.warnings) yield { kind: "warning", message };
  let last = { step: checkpoints.start.step, path: "" };
  yield { kind: "stage-start", stage: stage.name, steps, resumedFrom: last.step, trainableParameters, totalParameters };
  if (last.step >= steps) return;
  const { schedule, frozen } = prepared;
  const source = await openBatchSource({ experiment, clips, params: weights.params, frozen });
  const mediaSeconds = new Map<number, number>();
  const addMedia = (step: number, seconds: number): void => {
    const { epoch } = locateStep(schedule, step);
    mediaSeconds.set(epoch, (mediaSeconds.get(epoch) ?? 0) + seconds);
  };
  addMedia(last.step + 1, yield* computeStageFeatures({ schedule, after: last.step, frozen, source, clips, workers: experiment.config.data.workers, signal }));
  for await (const event of trainStage(stageRun(task, { ...ready, source }))) {
    yield event;
    if (event.kind === "checkpoint") last = event;
    if (event.kind === "step") addMedia(event.step, event.mediaMilliseconds / 1000);
  }
  const { computed, read, rebuilt } = source.counts;
  if (computed + read + rebuilt > 0) yield { kind: "features", stage: stage.name, computed, read, rebuilt, mediaSeconds: [...mediaSeconds.values()] };
  yield* task.watch.warnings(clips.cache);
  if (last.step < steps) yield { kind: "interrupted", stage: stage.name, step: last.step, signal: String(signal.reason) };
  else yield { kind: "stage-end", stage: stage.name, step: last.step, seconds: (performance.now() - started) / 1000, checkpoint: last.path };
}

interface ReadyStage {
  readonly weights: StageWeights;
  readonly checkpoints: StageCheckpoints;
}

/** The stage as the training loop takes it. */
function stageRun({ experiment, stage, prepared, encode, clips, signal }: StageTask, { weights: { params }, checkpoints, source }: ReadyStage & { readonly source: BatchSource }): StageRun {
  const { best } = stage.checkpoints;
  const dropout = dropoutOf(experiment.config, stage);
  return {
    stage: stage.name,
    params,
    config: experiment.model.config,
    schedule: prepared.schedule,
    batchSpec: { encode, featureRows: featureRows(experiment.encoding.mediaTokens) },
    media: (batch) => source.media(batch),
    learningRates: prepared.learningRates,
    promptWeight: stage.promptWeight,
    learningRateSchedule: stage.schedule,
    optimizer: stage.optimizer,
    dropout: dropout.adapters + dropout.residual > 0 ? { ...dropout, seed: experiment.config.seed } : undefined,
    start: checkpoints.start,
    save: checkpoints.save,
    saveEverySteps: stage.checkpoints.everySteps,
    ...(best === undefined ? {} : { evaluate: { everySteps: best.everySteps, run: (step) => validateStage({ experiment, params, stage: stage.name, best, step, clips, source, frozen: prepared.frozen, checkpoints }) } }),
    signal,
  };
}

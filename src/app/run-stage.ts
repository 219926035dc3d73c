/** @file One stage from its starting weights to its last checkpoint, in a run directory. */
import { join } from "node:path";
import type { StageConfig } from "../config/index.ts";
import { toJson, writeFileAtomic } from "../core/files.ts";
import { batchMedia } from "../curriculum/batch-media.ts";
import { featureRows } from "../curriculum/batch.ts";
import { disposeMoments } from "../train/adamw.ts";
import type { RunEvent } from "../train/events.ts";
import { type StageRun, trainStage } from "../train/train-stage.ts";
import type { LoadedSamples } from "./clips.ts";
import type { Experiment } from "./experiment.ts";
import type { PreparedStage } from "./prepare-stage.ts";
import { openStageCheckpoints, type StageCheckpoints } from "./stage-checkpoints.ts";
import { loraOf } from "./stage-adapters.ts";
import { startStage, type StageWeights } from "./stage-weights.ts";
import { validateStage } from "./validate-stage.ts";

export interface StageTask {
  readonly experiment: Experiment;
  readonly stage: StageConfig;
  readonly prepared: PreparedStage;
  readonly loaded: LoadedSamples;
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
    const checkpoints = await openStageCheckpoints({ config, stage, runDir, weights, prepared });
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
  const { stage, prepared, signal } = task;
  const { weights, checkpoints } = ready;
  const { steps } = prepared.schedule;
  weights.params.setTrainable(prepared.learningRates.keys(), stage.budget.gradientCheckpointing ? "inputs" : "intermediates");
  const { trainableParameters, totalParameters } = prepared.plan;
  for (const message of weights.warnings) yield { kind: "warning", message };
  let last = { step: checkpoints.start.step, path: "" };
  yield { kind: "stage-start", stage: stage.name, steps, resumedFrom: last.step, trainableParameters, totalParameters };
  if (last.step >= steps) return;
  for await (const event of trainStage(stageRun(task, ready))) {
    yield event;
    if (event.kind === "checkpoint") last = event;
  }
  if (last.step < steps) yield { kind: "interrupted", stage: stage.name, step: last.step, signal: String(signal.reason) };
  else yield { kind: "stage-end", stage: stage.name, step: last.step, seconds: (performance.now() - started) / 1000, checkpoint: last.path };
}

interface ReadyStage {
  readonly weights: StageWeights;
  readonly checkpoints: StageCheckpoints;
}

/** The stage as the training loop takes it. */
function stageRun({ experiment, stage, prepared, loaded, runDir, signal }: StageTask, { weights: { params }, checkpoints }: ReadyStage): StageRun {
  const { best } = stage.checkpoints;
  const dropout = { adapters: loraOf(experiment.config, stage)?.dropout ?? 0, residual: stage.dropout };
  return {
    stage: stage.name,
    params,
    config: experiment.model.config,
    schedule: prepared.schedule,
    featureRows: featureRows(experiment.encoding.mediaTokens),
    media: (batch) => batchMedia(batch, loaded.clips, experiment.clipSpec),
    learningRates: prepared.learningRates,
    learningRateSchedule: stage.schedule,
    optimizer: stage.optimizer,
    dropout: dropout.adapters + dropout.residual > 0 ? { ...dropout, seed: experiment.config.seed } : undefined,
    start: checkpoints.start,
    save: checkpoints.save,
    saveEverySteps: stage.checkpoints.everySteps,
    ...(best === undefined ? {} : { evaluate: { everySteps: best.everySteps, run: (step) => validateStage({ experiment, params, stage: stage.name, best, step, runDir, checkpoints }) } }),
    signal,
  };
}

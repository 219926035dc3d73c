/** @file Training as the command line asks for it: stages one after another in a run directory, resumable at any step. */
import { join } from "node:path";
import { type ActiveBackend, selectBackend } from "../backend/select.ts";
import type { RunConfig, StageConfig } from "../config/index.ts";
import { toJson, writeFileAtomic } from "../core/files.ts";
import { storeTensors } from "../model/checkpoints/store-tensors.ts";
import { batchMedia } from "../curriculum/batch-media.ts";
import { featureRows } from "../curriculum/batch.ts";
import { latestCheckpoint, rotateCheckpoints, stepFolderName } from "../train/checkpoint-folders.ts";
import { checkCheckpoint, type Checkpoint, type CheckpointState, loadCheckpointWeights, readCheckpoint, readCheckpointOptimizer, saveCheckpoint } from "../train/checkpoint.ts";
import type { AdamWState } from "../train/adamw.ts";
import type { RunEvent } from "../train/events.ts";
import { locateStep } from "../curriculum/schedule.ts";
import { trainStage } from "../train/train-stage.ts";
import { claimRunFolder, configHash } from "./claim-run-folder.ts";
import { dropsByReason, type LoadedSamples, loadSampleClips } from "./clips.ts";
import { type Experiment, openExperiment, samplesOf } from "./experiment.ts";
import { prepareStage, type PreparedStage, tasksOf } from "./prepare-stage.ts";
import { provenance } from "./provenance.ts";
import { openEventLog, stageFolder } from "./run-folder.ts";
import { startStage, type StageWeights } from "./stage-weights.ts";
import { validateStage } from "./validate-stage.ts";

export interface TrainOptions {
  readonly config: RunConfig;
  /** Names, in order. */
  readonly stages: readonly string[];
  readonly runDir: string;
  readonly resume: boolean;
  readonly signal: AbortSignal;
  readonly onProgress?: (text: string) => void;
}

/** Trains the stages in order; every event is also appended to the run's events.jsonl. */
export async function* trainRun(options: TrainOptions): AsyncGenerator<RunEvent> {
  const backend = await selectBackend(options.config.backend);
  const experiment = await openExperiment(options.config);
  await claimRunFolder(options);
  const log = await openEventLog(options.runDir);
  try {
    for await (const event of trainStages(options, { backend, experiment })) {
      await log.write(event);
      yield event;
    }
  } finally {
    await log.close();
  }
}

async function* trainStages(options: TrainOptions, { backend, experiment }: { backend: ActiveBackend; experiment: Experiment }): AsyncGenerator<RunEvent> {
  const { config, runDir, signal } = options;
  const stages = options.stages.map((name) => stageNamed(config, name));
  yield { kind: "run-start", backend: backend.name, device: backend.device, stages: options.stages, seed: config.seed };
  await writeFileAtomic(join(runDir, "provenance.json"), toJson(await provenance(experiment, backend)));
  const loaded = await loadSampleClips(experiment, samplesOf(experiment, "train", tasksOf(stages)), {
    signal,
    cacheFolder: config.data.cache ?? join(runDir, "cache"),
    onProgress: ({ done, total }) => options.onProgress?.(`decoding clips ${done}/${total}`),
  });
  for (const [reason, count] of Object.entries(dropsByReason(loaded.unreadable))) yield { kind: "warning", message: `${count} samples left out: ${reason}` };
  for (const stage of stages) {
    yield* runStage(options, { experiment, stage, loaded });
    if (signal.aborted) return;
  }
}

interface StageContext {
  readonly experiment: Experiment;
  readonly stage: StageConfig;
  readonly loaded: LoadedSamples;
}

async function* runStage(options: TrainOptions, context: StageContext): AsyncGenerator<RunEvent> {
  const { config, runDir, signal } = options;
  const { experiment, stage, loaded } = context;
  const started = performance.now();
  const weights = await startStage(config, stage, { folder: experiment.model, runDir });
  try {
    const prepared = prepareStage(experiment, stage, { loaded, params: weights.params });
    await writeFileAtomic(join(runDir, `plan-${stage.name}.json`), toJson(prepared.plan));
    const position = await resumePoint(options, context, weights);
    weights.params.setTrainable(prepared.learningRates.keys());
    const { plan, schedule } = prepared;
    yield { kind: "stage-start", stage: stage.name, steps: schedule.steps, resumedFrom: position.step, trainableParameters: plan.trainableParameters, totalParameters: plan.totalParameters };
    if (position.step >= schedule.steps) return;
    let last = position.step;
    for await (const event of stageEvents(options, context, { weights, prepared, position })) {
      yield event;
      if (event.kind === "checkpoint") last = event.step;
    }
    if (last < schedule.steps) yield { kind: "interrupted", stage: stage.name, step: last, signal: String(signal.reason) };
    else yield { kind: "stage-end", stage: stage.name, step: last, seconds: (performance.now() - started) / 1000, checkpoint: join(stageFolder(config, stage.name, runDir), stepFolderName(last)) };
  } finally {
    weights.params.dispose();
  }
}

/** Where a stage stands: finished steps, the optimizer after them, the best validation result. */
interface Position {
  readonly step: number;
  readonly moments: AdamWState;
  best: CheckpointState["best"];
}

function stageEvents({ config, runDir, signal }: TrainOptions, { experiment, stage, loaded }: StageContext, { weights, prepared, position }: { weights: StageWeights; prepared: PreparedStage; position: Position }): AsyncGenerator<RunEvent> {
  const folder = stageFolder(config, stage.name, runDir);
  const changed = [...new Set([...weights.changed, ...prepared.learningRates.keys()])];
  const best = stage.checkpoints.best;
  const save = async (step: number): Promise<string> => {
    const state: CheckpointState = {
      stage: stage.name,
      step,
      steps: prepared.schedule.steps,
      epoch: step === 0 ? 0 : locateStep(prepared.schedule, step).epoch,
      seed: config.seed,
      configHash: configHash(config, stage),
      lineage: { base: weights.base, parent: weights.parent?.hash ?? null },
      best: position.best,
    };
    const checkpoint = await saveCheckpoint(folder, { weights: storeTensors(weights.params, changed), optimizer: position.moments, state });
    await rotateCheckpoints(folder, { keep: stage.checkpoints.keep, protect: position.best === null ? [] : [join(folder, stepFolderName(position.best.step))] });
    return checkpoint.folder;
  };
  return trainStage({
    stage: stage.name,
    params: weights.params,
    config: experiment.model.config,
    schedule: prepared.schedule,
    featureRows: featureRows(experiment.encoding.mediaTokens),
    media: (batch) => batchMedia(batch, loaded.clips, experiment.clipSpec),
    learningRates: prepared.learningRates,
    learningRateSchedule: stage.schedule,
    optimizer: stage.optimizer,
    start: position,
    save,
    saveEverySteps: stage.checkpoints.everySteps,
    signal,
    ...(best === undefined
      ? {}
      : {
          evaluate: {
            everySteps: best.everySteps,
            run: (step) => validateStage({ experiment, params: weights.params, stage: stage.name, best, step, runDir, previous: position.best, onBest: async (value) => {
              position.best = value;
              await save(step);
            } }),
          },
        }),
  });
}

/** The newest checkpoint of the stage, else its beginning. */
async function resumePoint({ config, runDir }: TrainOptions, { stage }: StageContext, { params, base, parent }: StageWeights): Promise<Position> {
  const folder = stageFolder(config, stage.name, runDir);
  const latest = await latestCheckpoint(folder);
  if (latest === undefined) return { step: 0, moments: new Map(), best: null };
  const checkpoint: Checkpoint = await readCheckpoint(latest);
  checkCheckpoint(checkpoint, { base, parent: parent?.hash ?? null, stage: stage.name, configHash: configHash(config, stage) });
  await loadCheckpointWeights(checkpoint, params);
  return { step: checkpoint.state.step, moments: await readCheckpointOptimizer(checkpoint), best: checkpoint.state.best };
}

function stageNamed({ stages }: RunConfig, name: string): StageConfig {
  const stage = stages.find((candidate) => candidate.name === name);
  if (stage === undefined) throw new Error(`internal error: no stage "${name}"`);
  return stage;
}

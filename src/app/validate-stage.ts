/** @file The validation metric that picks a stage's best checkpoint. */
import type { StageConfig } from "../config/index.ts";
import { resultOf } from "../core/reports.ts";
import { decodeMethod, predictSamples } from "../eval/predict.ts";
import type { Prediction } from "../eval/predictions.ts";
import type { ParamStore } from "../model/params.ts";
import { TASKS } from "../tasks/index.ts";
import type { RunEvent } from "../train/events.ts";
import type { Tower } from "../model/tower-states.ts";
import type { BatchSource } from "./batch-source.ts";
import { clipUsers, type RunClips, surveySamples } from "./clips.ts";
import { type Experiment, predictorOf, samplesOf } from "./experiment.ts";
import type { StageCheckpoints } from "./stage-checkpoints.ts";

interface Validation {
  readonly experiment: Experiment;
  readonly params: ParamStore;
  readonly stage: string;
  readonly best: NonNullable<StageConfig["checkpoints"]["best"]>;
  readonly step: number;
  readonly clips: RunClips;
  /** Of the stage, frozen towers included. */
  readonly source: BatchSource;
  readonly frozen: readonly Tower[];
  /** Where the result is saved when it is better than all before. */
  readonly checkpoints: Pick<StageCheckpoints, "best" | "saveBest">;
}

/**
 * Scores the first samples of the validation split and tells whether this is the best so far. It always runs to its end:
 * were it cut off by a signal, the stage would resume behind it and might keep another best checkpoint.
 */
export async function* validateStage({ experiment, params, stage, best, step, clips, source, frozen, checkpoints }: Validation): AsyncGenerator<RunEvent> {
  const { config } = experiment;
  const task = TASKS[best.task];
  const { samples } = await resultOf(surveySamples(experiment, clipUsers(experiment, samplesOf(experiment, "val", [best.task]).slice(0, best.samples)), { clips, frozen }));
  if (samples.length === 0) {
    yield { kind: "warning", message: `stages.${stage}.checkpoints.best: the validation split has no sample of ${best.task}; no best checkpoint is kept` };
    return;
  }
  const predictions: Prediction[] = [];
  const predictor = predictorOf(experiment, { params, media: (batch) => source.media(batch), rowTokens: config.eval.rowTokens, pairThreshold: config.eval.pairThreshold });
  for await (const some of predictSamples(predictor, { task, samples, method: decodeMethod(config.eval.decode, task) })) predictions.push(...some);
  const metric = task.mainMetric;
  const value = task.score(predictions).metrics[metric] ?? Number.NaN;
  const previous = checkpoints.best();
  const isBest = previous === null || value > previous.value;
  if (isBest) await checkpoints.saveBest({ step, task: best.task, metric, value });
  yield { kind: "evaluation", stage, step, task: best.task, metric, value, best: isBest };
}

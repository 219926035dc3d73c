/** @file Evaluation as the command line asks for it: predictions to a file, then scores from that file alone. */
import { join } from "node:path";
import { selectBackend } from "../backend/select.ts";
import type { BackendName, InputModality, RunConfig } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import { toJson, writeFileAtomic } from "../core/files.ts";
import type { Split } from "../data/record.ts";
import { decodeMethod, type DecodeMethod, type Predictor, predictSamples } from "../eval/predict.ts";
import { inSampleOrder, type Prediction, readPredictions, writePredictions } from "../eval/predictions.ts";
import { scorePredictions, type ScoresFile } from "../eval/score.ts";
import { frozenBaseNotice } from "../model/frozen-base.ts";
import type { Tower } from "../model/tower-states.ts";
import { TASKS } from "../tasks/index.ts";
import type { TaskName } from "../tasks/task.ts";
import { type Answering, openAnswering } from "./answering.ts";
import { type BatchSource, openBatchSource } from "./batch-source.ts";
import { CacheWatch } from "./cache-watch.ts";
import { type ClipsEvent, clipUsers, dropsByReason, openClips, type RunClips, surveySamples } from "./clips.ts";
import { type Experiment, openExperiment, predictorOf, samplesOf } from "./experiment.ts";
import { frozenInStage } from "./prepare-stage.ts";
import { mediaCacheFolder } from "./run-folder.ts";

export interface EvalOptions {
  /** A run directory (the result of its last finished stage) or a checkpoint folder inside one. */
  readonly source: { readonly runDir: string } | { readonly checkpoint: string };
  readonly tasks: readonly TaskName[];
  /** What is absent comes from the run's config. */
  readonly split?: Split;
  readonly decode?: DecodeMethod | "auto";
  readonly modalities?: readonly InputModality[];
  readonly backend?: BackendName;
  /** At most this many samples per task. */
  readonly limit?: number;
  readonly signal: AbortSignal;
}

export type EvalEvent =
  | { readonly kind: "evaluation-start"; readonly backend: string; readonly device: string; readonly checkpoint: string; readonly split: Split }
  | ClipsEvent
  | { readonly kind: "evaluation-progress"; readonly task: TaskName; readonly done: number; readonly total: number }
  | { readonly kind: "scores"; readonly scores: ScoresFile }
  | { readonly kind: "warning"; readonly message: string };

/** Evaluates the tasks one after another; a task without samples in the split is a warning. */
export async function* evalRun(options: EvalOptions): AsyncGenerator<EvalEvent> {
  const answering = await openAnswering(options.source);
  const config = configFor(options, answering.config);
  const backend = await selectBackend(config.backend, config.precision);
  const experiment = await openExperiment(config);
  const { params, checkpoint } = await answering.loadWeights(experiment);
  const { split } = config.eval;
  const watch = new CacheWatch();
  try {
    const clips = await openClips(experiment, { folder: mediaCacheFolder(config, answering.runDir) });
    const frozen = frozenInStage(experiment, checkpoint.state.stage, params);
    const source = await openBatchSource({ experiment, clips, params, frozen });
    yield { kind: "evaluation-start", backend: backend.name, device: backend.device, checkpoint: checkpoint.folder, split };
    const notice = frozenBaseNotice(config.model.frozenBase);
    if (notice !== undefined) yield { kind: "warning", message: notice };
    for (const task of options.tasks) {
      if (options.signal.aborted) return;
      yield* evaluateTask(options, { experiment, answering, params, task, checkpoint: checkpoint.folder, clips, source, frozen });
      yield* watch.warnings(clips.cache);
    }
  } finally {
    params.dispose();
  }
}

interface TaskContext {
  readonly experiment: Experiment;
  readonly answering: Answering;
  readonly params: Predictor["params"];
  readonly clips: RunClips;
  readonly source: BatchSource;
  readonly frozen: readonly Tower[];
  readonly task: TaskName;
  readonly checkpoint: string;
}

async function* evaluateTask({ limit, signal }: EvalOptions, { experiment, answering, params, clips, source, frozen, task: name, checkpoint }: TaskContext): AsyncGenerator<EvalEvent> {
  const { config } = experiment;
  const { split, rowTokens, decode, pairThreshold } = config.eval;
  const task = TASKS[name];
  const wanted = samplesOf(experiment, split, [name]).slice(0, limit);
  if (wanted.length === 0) {
    yield { kind: "warning", message: `the ${split} split has no sample of ${name}` };
    return;
  }
  const { samples, unreadable } = yield* surveySamples(experiment, clipUsers(experiment, wanted), { clips, frozen, signal });
  for (const [reason, count] of Object.entries(dropsByReason(unreadable))) yield { kind: "warning", message: `${name}: ${count} samples left out: ${reason}` };
  const method = decodeMethod(decode, task);
  const predictions: Prediction[] = [];
  for await (const some of predictSamples(predictorOf(experiment, { params, media: (batch) => source.media(batch), rowTokens, pairThreshold }), { task, samples, method })) {
    predictions.push(...some);
    if (some.length > 0) yield { kind: "evaluation-progress", task: name, done: predictions.length, total: samples.length };
    if (signal.aborted) return;
  }
  const folder = outputFolder(answering, config, limit);
  const path = join(folder, `${name}.predictions.jsonl`);
  await writePredictions(path, inSampleOrder(predictions, samples));
  const train = samplesOf(experiment, "train", [name]);
  const scores = scorePredictions(name, await readPredictions(path), { split, decode: method, checkpoint, train, test: samples });
  await writeFileAtomic(join(folder, `${name}.scores.json`), toJson(scores));
  yield { kind: "scores", scores };
}

/** `eval`, or a folder in it named after what differs from the run's own evaluation, so that its scores stay. */
function outputFolder({ runDir, config: own, label }: Answering, { eval: { split, decode }, data: { modalities } }: RunConfig, limit: number | undefined): string {
  const parts = [
    label,
    split === own.eval.split ? undefined : split,
    decode === own.eval.decode ? undefined : decode,
    modalities.length === own.data.modalities.length ? undefined : modalities.join("+"),
    limit === undefined ? undefined : `first${limit}`,
  ];
  const differing = parts.filter((part) => part !== undefined);
  return differing.length === 0 ? join(runDir, "eval") : join(runDir, "eval", differing.join("-"));
}

function configFor({ split, decode, modalities, backend }: EvalOptions, config: RunConfig): RunConfig {
  const unknown = modalities?.filter((modality) => !config.data.modalities.includes(modality)) ?? [];
  if (unknown.length > 0) {
    throw new UserError({ kind: "ConfigError", where: "--modalities", what: `the model was trained without ${unknown.join(", ")}`, hint: `It takes ${config.data.modalities.join(", ")}.` });
  }
  return {
    ...config,
    backend: backend ?? config.backend,
    data: { ...config.data, modalities: config.data.modalities.filter((modality) => modalities?.includes(modality) ?? true) },
    eval: { ...config.eval, split: split ?? config.eval.split, decode: decode ?? config.eval.decode },
  };
}

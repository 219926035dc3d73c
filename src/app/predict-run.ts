/** @file A trained model asked about one video. */
import { selectBackend } from "../backend/select.ts";
import type { BackendName, RunConfig } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import type { EmtRecord } from "../data/record.ts";
import { decodeMethod, predictSamples } from "../eval/predict.ts";
import { frozenBaseNotice } from "../model/frozen-base.ts";
import { TASKS } from "../tasks/index.ts";
import { type Sample, TASK_NAMES, type TaskName } from "../tasks/task.ts";
import { openAnswering } from "./answering.ts";
import { openBatchSource } from "./batch-source.ts";
import { openClips } from "./clips.ts";
import { openModel, predictorOf, samplesOfRecord } from "./experiment.ts";
import { frozenInStage } from "./prepare-stage.ts";

export interface PredictOptions {
  readonly checkpoint: string;
  readonly video: string;
  /** What is said; may be empty. */
  readonly text: string;
  readonly tasks: readonly TaskName[];
  readonly backend?: BackendName;
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly task: TaskName;
  readonly response: string;
}

export interface PredictResult {
  readonly answers: readonly Answer[];
  readonly warnings: readonly string[];
}

/** The model's answer to every task, in order; when all tasks are asked, to those that ask about a single video. */
export async function predictRun({ checkpoint: folder, video, text, tasks, backend, signal }: PredictOptions): Promise<PredictResult> {
  const answering = await openAnswering({ checkpoint: folder });
  const { config } = answering;
  const questions = questionsAbout({ video, text, tasks }, config.data);
  await selectBackend(backend ?? config.backend, config.precision);
  const open = await openModel(config);
  const experiment = { ...open, config };
  const clips = await openClips(experiment, {});
  clips.store.add({ id: CLIP, video });
  await clips.store.clip(CLIP, signal);
  const { params, checkpoint } = await answering.loadWeights(open);
  const answers: Answer[] = [];
  try {
    const source = await openBatchSource({ experiment, clips, params, frozen: frozenInStage(experiment, checkpoint.state.stage, params) });
    const predictor = predictorOf(open, { params, media: (batch) => source.media(batch), rowTokens: 1, pairThreshold: config.eval.pairThreshold });
    for (const name of tasks) {
      const task = TASKS[name];
      const samples = questions.get(name) ?? [];
      for await (const [prediction] of predictSamples(predictor, { task, samples, method: decodeMethod(config.eval.decode, task) })) {
        if (prediction !== undefined) answers.push({ task: name, response: prediction.response });
      }
    }
  } finally {
    params.dispose();
  }
  const notice = frozenBaseNotice(config.model.frozenBase);
  return { answers, warnings: notice === undefined ? [] : [notice] };
}

const CLIP = "clip";

/** In the form in which the model was trained to be asked. */
function questionsAbout({ video, text, tasks }: Pick<PredictOptions, "video" | "text" | "tasks">, data: RunConfig["data"]): ReadonlyMap<TaskName, readonly Sample[]> {
  const questions = new Map(tasks.map((name) => [name, samplesOfRecord(questionAbout(video, text), [name], data)] as const));
  const aboutConversations = tasks.filter((name) => questions.get(name)?.length === 0);
  if (aboutConversations.length === 0 || TASK_NAMES.every((name) => tasks.includes(name))) return questions;
  throw new UserError({ kind: "ConfigError", where: "--task", what: `${aboutConversations.join(", ")} asks about a conversation, not about one video`, hint: "Use m2se eval on a dataset for it." });
}

/** A record whose labels only make every task ask; they never reach the model. */
function questionAbout(video: string, text: string): EmtRecord {
  return {
    id: "question",
    source: "predict",
    split: "test",
    utterances: [{ id: CLIP, speaker: "Speaker", text, media: { video }, sentiment: { polarity: "positive" }, emotion: "joy", expression: ["Cheek Raiser"], reason: "-" }],
  };
}

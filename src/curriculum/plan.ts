/** @file StagePlan: what a stage would run, in numbers, computed from the very schedule that training executes. */
import { TASK_NAMES } from "../tasks/task.ts";
import type { TaskName } from "../tasks/task.ts";
import type { EncodedSample, Modality } from "../text/encoded-sample.ts";
import type { Mixture } from "./mixture.ts";
import { sampleLength } from "./pack.ts";
import { treeLength } from "./row.ts";
import type { Tree } from "./row.ts";
import { chunk, scheduleStage, stepTrees } from "./schedule.ts";
import type { StageInput, StageSchedule } from "./schedule.ts";

/** One task's part of a stage, over all its steps. */
export interface TaskPlan {
  /** Probability per unit and epoch. */
  readonly level: number;
  /** Samples the data offers in one epoch. */
  readonly available: number;
  /** Samples trained on; a sample drawn in two epochs counts twice. */
  readonly samples: number;
  readonly supervisedTokens: number;
  /** Means over the samples trained on; 0 without any. The prefix counts in full although it is shared. */
  readonly meanTokens: number;
  readonly meanAnswerTokens: number;
}

export interface BatchSize {
  readonly rows: number;
  readonly supervisedTokens: number;
  /** Distinct clips that are looked at, and listened to. */
  readonly videoClips: number;
  readonly audioClips: number;
}

export type ClipCounts = Pick<BatchSize, "videoClips" | "audioClips">;

export interface StagePlan {
  readonly stage: string;
  readonly tasks: Readonly<Partial<Record<TaskName, TaskPlan>>>;
  readonly epochs: number;
  readonly steps: number;
  readonly rows: number;
  readonly rowTokens: number;
  readonly rowsPerStep: number;
  readonly supervisedTokens: number;
  /** Row positions that are not padding. */
  readonly packedTokens: number;
  /** Tokens of the same samples without shared prefixes. */
  readonly unpackedTokens: number;
  /** 1 - packed / unpacked. */
  readonly sharingSaves: number;
  /** Share of the row positions that is padding. */
  readonly paddingShare: number;
  readonly meanTreesPerRow: number;
  /** The row with the most supervised tokens: the one that needs most memory in the vocabulary projection. */
  readonly heaviestRow: { readonly supervisedTokens: number; readonly usedTokens: number; readonly clips: number };
  /** The largest of each over all batches: what memory must suffice for. */
  readonly largestBatch: BatchSize;
  /** Clips that are looked at and listened to, counted once in every batch. */
  readonly clipPasses: ClipCounts;
  /** The same, counted once in the whole stage: what frozen towers read. */
  readonly distinctClips: ClipCounts;
  /** Samples that are left out, by reason. */
  readonly drops: Readonly<Record<string, number>>;
  readonly trainableParameters: number;
  readonly totalParameters: number;
}

/** What the plan cannot see in the samples. */
export interface PlanContext {
  /** Samples dropped before encoding, by reason (e.g. unreadable media). */
  readonly drops: Readonly<Record<string, number>>;
  readonly trainableParameters: number;
  readonly totalParameters: number;
}

/** Reason under which over-long samples are counted. */
const DROP_TOO_LONG = "longer than a row";

/** The plan of a stage; pure. */
export function planStage(input: StageInput, context: PlanContext, schedule: StageSchedule = scheduleStage(input)): StagePlan {
  const steps = Array.from({ length: schedule.steps }, (_, i) => stepTrees(schedule, i + 1));
  const rows = steps.flat();
  const trained = trainedSamples(input.samples, rows);
  const packedTokens = sum(rows.flat(), treeLength);
  const unpackedTokens = sum(trained, sampleLength);
  const { rowTokens, rowsPerBatch, accumulation, epochs } = input.budget;
  const batches = steps.flatMap((trees) => chunk(trees, rowsPerBatch));
  const { drops, ...parameters } = context;
  return {
    stage: input.stage,
    tasks: planTasks(input.samples, trained, input.mixture),
    epochs,
    steps: schedule.steps,
    rows: rows.length,
    rowTokens,
    rowsPerStep: rowsPerBatch * accumulation,
    supervisedTokens: sum(trained, ({ supervisedTokens }) => supervisedTokens),
    packedTokens,
    unpackedTokens,
    sharingSaves: share(unpackedTokens - packedTokens, unpackedTokens),
    paddingShare: share(rows.length * rowTokens - packedTokens, rows.length * rowTokens),
    meanTreesPerRow: share(rows.flat().length, rows.length),
    heaviestRow: heaviestRow(rows, trained),
    largestBatch: largestBatch(batches, trained),
    clipPasses: { videoClips: sum(batches, (batch) => clipsOf(batch, "video")), audioClips: sum(batches, (batch) => clipsOf(batch, "audio")) },
    distinctClips: { videoClips: clipsOf(rows, "video"), audioClips: clipsOf(rows, "audio") },
    drops: schedule.tooLong.length === 0 ? drops : { ...drops, [DROP_TOO_LONG]: schedule.tooLong.length },
    ...parameters,
  };
}

/** The sample of every branch in `rows`; not the epochs' lists, because `maxSteps` may end the stage earlier. */
function trainedSamples(samples: readonly EncodedSample[], rows: readonly (readonly Tree[])[]): EncodedSample[] {
  const byId = new Map(samples.map((sample) => [sample.id, sample]));
  return rows.flat(2).flatMap(({ sampleId }) => (sampleId === undefined ? [] : (byId.get(sampleId) ?? [])));
}

function planTasks(samples: readonly EncodedSample[], trained: readonly EncodedSample[], mixture: Mixture): StagePlan["tasks"] {
  const tasks: Partial<Record<TaskName, TaskPlan>> = {};
  for (const task of TASK_NAMES) {
    const level = mixture[task];
    if (level === undefined) continue;
    const own = trained.filter((sample) => sample.task === task);
    const supervisedTokens = sum(own, (sample) => sample.supervisedTokens);
    tasks[task] = {
      level,
      available: samples.filter((sample) => sample.task === task).length,
      samples: own.length,
      supervisedTokens,
      meanTokens: share(sum(own, sampleLength), own.length),
      meanAnswerTokens: share(supervisedTokens, own.length),
    };
  }
  return tasks;
}

function heaviestRow(rows: readonly (readonly Tree[])[], trained: readonly EncodedSample[]): StagePlan["heaviestRow"] {
  const supervised = supervisedCounter(trained);
  const weights = rows.map((trees) => ({
    supervisedTokens: supervised(trees),
    usedTokens: sum(trees, treeLength),
    clips: new Set(trees.flat().flatMap(({ segment }) => segment.slots.map(({ clip }) => clip))).size,
  }));
  const none = { supervisedTokens: 0, usedTokens: 0, clips: 0 };
  return weights.reduce((heaviest, row) => (row.supervisedTokens > heaviest.supervisedTokens ? row : heaviest), none);
}

function largestBatch(batches: readonly (readonly (readonly Tree[])[])[], trained: readonly EncodedSample[]): BatchSize {
  const supervised = supervisedCounter(trained);
  const largest = (size: (rows: readonly (readonly Tree[])[]) => number): number => batches.reduce((most, rows) => Math.max(most, size(rows)), 0);
  return {
    rows: largest((rows) => rows.length),
    supervisedTokens: largest((rows) => sum(rows, supervised)),
    videoClips: largest((rows) => clipsOf(rows, "video")),
    audioClips: largest((rows) => clipsOf(rows, "audio")),
  };
}

/** Distinct clips of some rows. */
function clipsOf(rows: readonly (readonly Tree[])[], wanted: Modality): number {
  return new Set(rows.flat(2).flatMap(({ segment }) => segment.slots.filter(({ modality }) => modality === wanted).map(({ clip }) => clip))).size;
}

/** Counts the supervised tokens of some trees. */
function supervisedCounter(trained: readonly EncodedSample[]): (trees: readonly Tree[]) => number {
  const tokens = new Map(trained.map(({ id, supervisedTokens }) => [id, supervisedTokens]));
  return (trees) => sum(trees.flat(), ({ sampleId }) => (sampleId === undefined ? 0 : (tokens.get(sampleId) ?? 0)));
}

function sum<T>(list: readonly T[], value: (element: T) => number): number {
  return list.reduce((total, element) => total + value(element), 0);
}

/** 0 when there is nothing to share. */
function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

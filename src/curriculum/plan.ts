/** @file StagePlan: what a stage would run, in numbers, computed from the very schedule that training executes. */
import { TASK_NAMES } from "../tasks/task.ts";
import type { TaskName } from "../tasks/task.ts";
import type { Learned } from "../text/encode.ts";
import type { Modality } from "../text/encoded-sample.ts";
import { branchSupervised, outlineTokens, treeSupervised, treeTokens } from "./outline.ts";
import type { OutlineTree, SampleOutline } from "./outline.ts";
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
  /** Of the branches. */
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
  readonly supervise: Learned;
  readonly trainableParameters: number;
  readonly totalParameters: number;
}

/** Reason under which over-long samples are counted. */
const DROP_TOO_LONG = "longer than a row";

/** The plan of a stage; pure. */
export function planStage(input: StageInput, context: PlanContext, schedule: StageSchedule = scheduleStage(input)): StagePlan {
  const steps = Array.from({ length: schedule.steps }, (_, i) => stepTrees(schedule, i + 1));
  const rows = steps.flat();
  const trees = rows.flat();
  const trained = trees.flat();
  const packedTokens = sum(trees, treeTokens);
  const unpackedTokens = sum(trained, outlineTokens);
  const { rowTokens, rowsPerBatch, accumulation, epochs } = input.budget;
  const { drops, supervise, ...parameters } = context;
  const supervised = (some: readonly OutlineTree[]): number => sum(some, (tree) => treeSupervised(tree, supervise));
  const batches = steps.flatMap((step) => chunk(step, rowsPerBatch)).map((batch): BatchSize => ({ rows: batch.length, supervisedTokens: supervised(batch.flat()), ...countClips(batch.flat(2)) }));
  return {
    stage: input.stage,
    tasks: planTasks(input, trained, supervise),
    epochs,
    steps: schedule.steps,
    rows: rows.length,
    rowTokens,
    rowsPerStep: rowsPerBatch * accumulation,
    supervisedTokens: supervised(trees),
    packedTokens,
    unpackedTokens,
    sharingSaves: share(unpackedTokens - packedTokens, unpackedTokens),
    paddingShare: share(rows.length * rowTokens - packedTokens, rows.length * rowTokens),
    meanTreesPerRow: share(trees.length, rows.length),
    heaviestRow: heaviestRow(rows, supervised),
    largestBatch: { rows: largest(batches, "rows"), supervisedTokens: largest(batches, "supervisedTokens"), videoClips: largest(batches, "videoClips"), audioClips: largest(batches, "audioClips") },
    clipPasses: { videoClips: sum(batches, ({ videoClips }) => videoClips), audioClips: sum(batches, ({ audioClips }) => audioClips) },
    distinctClips: countClips(trained),
    drops: schedule.tooLong.length === 0 ? drops : { ...drops, [DROP_TOO_LONG]: schedule.tooLong.length },
    ...parameters,
  };
}

/** `trained`: one per branch of the rows; not the epochs' draws, because `maxSteps` may end the stage earlier. */
function planTasks({ samples, mixture }: StageInput, trained: readonly SampleOutline[], supervise: Learned): StagePlan["tasks"] {
  const tasks: Partial<Record<TaskName, TaskPlan>> = {};
  for (const task of TASK_NAMES) {
    const level = mixture[task];
    if (level === undefined) continue;
    const own = trained.filter((sample) => sample.task === task);
    const supervisedTokens = sum(own, (sample) => branchSupervised(sample, supervise));
    tasks[task] = {
      level,
      available: samples.filter((sample) => sample.task === task).length,
      samples: own.length,
      supervisedTokens,
      meanTokens: share(sum(own, outlineTokens), own.length),
      meanAnswerTokens: share(sum(own, ({ answerTokens }) => answerTokens), own.length),
    };
  }
  return tasks;
}

function heaviestRow(rows: readonly (readonly OutlineTree[])[], supervised: (trees: readonly OutlineTree[]) => number): StagePlan["heaviestRow"] {
  let heaviest = { supervisedTokens: 0, usedTokens: 0, clips: 0 };
  for (const trees of rows) {
    const supervisedTokens = supervised(trees);
    if (supervisedTokens > heaviest.supervisedTokens) heaviest = { supervisedTokens, usedTokens: sum(trees, treeTokens), clips: new Set(trees.flat().flatMap(({ clips }) => clips.map(({ clip }) => clip))).size };
  }
  return heaviest;
}

/** Distinct clips of some samples. */
function countClips(samples: readonly SampleOutline[]): ClipCounts {
  const names = { video: new Set<string>(), audio: new Set<string>() } satisfies Record<Modality, Set<string>>;
  for (const { clips } of samples) for (const { modality, clip } of clips) names[modality].add(clip);
  return { videoClips: names.video.size, audioClips: names.audio.size };
}

function largest(batches: readonly BatchSize[], size: keyof BatchSize): number {
  return batches.reduce((most, batch) => Math.max(most, batch[size]), 0);
}

function sum<T>(list: readonly T[], value: (element: T) => number): number {
  return list.reduce((total, element) => total + value(element), 0);
}

/** 0 when there is nothing to share. */
function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

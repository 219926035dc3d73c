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
  const { rowTokens, rowsPerBatch, accumulation, epochs } = input.budget;
  const { drops, supervise, ...parameters } = context;
  const tally = emptyTally();
  // Step by step: the trees of a step are made when it is looked at, and a large dataset has a million.
  for (let step = 1; step <= schedule.steps; step++) for (const batch of chunk(stepTrees(schedule, step), rowsPerBatch)) countBatch(tally, batch, supervise);
  const { rows, trees, supervisedTokens, packedTokens, unpackedTokens, heaviestRow, largestBatch, clipPasses } = tally;
  return {
    stage: input.stage,
    tasks: planTasks(input, tally),
    epochs,
    steps: schedule.steps,
    rows,
    rowTokens,
    rowsPerStep: rowsPerBatch * accumulation,
    supervisedTokens,
    packedTokens,
    unpackedTokens,
    sharingSaves: share(unpackedTokens - packedTokens, unpackedTokens),
    paddingShare: share(rows * rowTokens - packedTokens, rows * rowTokens),
    meanTreesPerRow: share(trees, rows),
    heaviestRow,
    largestBatch,
    clipPasses,
    distinctClips: clipCounts(tally.clips),
    drops: schedule.tooLong.length === 0 ? drops : { ...drops, [DROP_TOO_LONG]: schedule.tooLong.length },
    ...parameters,
  };
}

/** What is counted on the way through a schedule. */
interface Tally {
  rows: number;
  trees: number;
  supervisedTokens: number;
  packedTokens: number;
  unpackedTokens: number;
  heaviestRow: StagePlan["heaviestRow"];
  largestBatch: BatchSize;
  clipPasses: ClipCounts;
  readonly clips: ClipNames;
  /** Of the samples trained on; not of the epochs' draws, because `maxSteps` may end the stage earlier. */
  readonly tasks: Map<TaskName, TaskTally>;
}

interface TaskTally {
  samples: number;
  supervisedTokens: number;
  tokens: number;
  answerTokens: number;
}

type ClipNames = Readonly<Record<Modality, Set<string>>>;

function emptyTally(): Tally {
  return {
    rows: 0,
    trees: 0,
    supervisedTokens: 0,
    packedTokens: 0,
    unpackedTokens: 0,
    heaviestRow: { supervisedTokens: 0, usedTokens: 0, clips: 0 },
    largestBatch: { rows: 0, supervisedTokens: 0, videoClips: 0, audioClips: 0 },
    clipPasses: { videoClips: 0, audioClips: 0 },
    clips: noClips(),
    tasks: new Map(),
  };
}

function countBatch(tally: Tally, rows: readonly (readonly OutlineTree[])[], supervise: Learned): void {
  const before = tally.supervisedTokens;
  for (const trees of rows) countRow(tally, trees, supervise);
  const clips = clipCounts(addClips(noClips(), rows.flat(2)));
  tally.largestBatch = largest(tally.largestBatch, { rows: rows.length, supervisedTokens: tally.supervisedTokens - before, ...clips });
  tally.clipPasses = { videoClips: tally.clipPasses.videoClips + clips.videoClips, audioClips: tally.clipPasses.audioClips + clips.audioClips };
}

function countRow(tally: Tally, trees: readonly OutlineTree[], supervise: Learned): void {
  const samples = trees.flat();
  const supervisedTokens = sum(trees, (tree) => treeSupervised(tree, supervise));
  const usedTokens = sum(trees, treeTokens);
  tally.rows += 1;
  tally.trees += trees.length;
  tally.supervisedTokens += supervisedTokens;
  tally.packedTokens += usedTokens;
  tally.unpackedTokens += sum(samples, outlineTokens);
  if (supervisedTokens > tally.heaviestRow.supervisedTokens) tally.heaviestRow = { supervisedTokens, usedTokens, clips: new Set(samples.flatMap(({ clips }) => clips.map(({ clip }) => clip))).size };
  addClips(tally.clips, samples);
  for (const sample of samples) countSample(tally.tasks, sample, supervise);
}

function countSample(tasks: Map<TaskName, TaskTally>, sample: SampleOutline, supervise: Learned): void {
  const own = tasks.get(sample.task) ?? { samples: 0, supervisedTokens: 0, tokens: 0, answerTokens: 0 };
  own.samples += 1;
  own.supervisedTokens += branchSupervised(sample, supervise);
  own.tokens += outlineTokens(sample);
  own.answerTokens += sample.answerTokens;
  tasks.set(sample.task, own);
}

function planTasks({ samples, mixture }: StageInput, { tasks }: Tally): StagePlan["tasks"] {
  const plans: Partial<Record<TaskName, TaskPlan>> = {};
  for (const task of TASK_NAMES) {
    const level = mixture[task] ?? 0;
    if (level === 0) continue;
    const own = tasks.get(task) ?? { samples: 0, supervisedTokens: 0, tokens: 0, answerTokens: 0 };
    plans[task] = {
      level,
      available: samples.filter((sample) => sample.task === task).length,
      samples: own.samples,
      supervisedTokens: own.supervisedTokens,
      meanTokens: share(own.tokens, own.samples),
      meanAnswerTokens: share(own.answerTokens, own.samples),
    };
  }
  return plans;
}

function noClips(): ClipNames {
  return { video: new Set(), audio: new Set() };
}

/** The names, with those of the samples. */
function addClips(names: ClipNames, samples: readonly SampleOutline[]): ClipNames {
  for (const { clips } of samples) for (const { modality, clip } of clips) names[modality].add(clip);
  return names;
}

function clipCounts({ video, audio }: ClipNames): ClipCounts {
  return { videoClips: video.size, audioClips: audio.size };
}

function largest(a: BatchSize, b: BatchSize): BatchSize {
  return { rows: Math.max(a.rows, b.rows), supervisedTokens: Math.max(a.supervisedTokens, b.supervisedTokens), videoClips: Math.max(a.videoClips, b.videoClips), audioClips: Math.max(a.audioClips, b.audioClips) };
}

function sum<T>(list: readonly T[], value: (element: T) => number): number {
  return list.reduce((total, element) => total + value(element), 0);
}

/** 0 when there is nothing to share. */
function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

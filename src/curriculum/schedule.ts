/**
 * @file StageSchedule: which trees share a row in which step. A pure function of its input, and any step can be built on
 * its own, so a resumed run goes on at step k without replaying what came before.
 */
import { invariant, UserError } from "../core/errors.ts";
import type { Problem } from "../core/errors.ts";
import { listCount } from "../core/number-lists.ts";
import { buildBatch } from "./batch.ts";
import type { Batch, FeatureRows } from "./batch.ts";
import { encodeTree } from "./encode-tree.ts";
import { drawEpoch, epochShares, numberPrefixes } from "./mixture.ts";
import type { Mixture } from "./mixture.ts";
import type { Encoder, OutlineTree, SampleOutline } from "./outline.ts";
import { assignRows, splitByLength, treesOfRow } from "./pack.ts";
import type { TooLong, TreeRows } from "./pack.ts";
import { buildRow } from "./row.ts";

export interface StageBudget {
  readonly epochs: number;
  readonly maxSteps?: number | undefined;
  readonly rowTokens: number;
  readonly rowsPerBatch: number;
  /** Batches per optimizer step. */
  readonly accumulation: number;
}

export interface StageInput {
  readonly stage: string;
  readonly seed: number;
  /** Of the training split, answers included; samples of tasks outside the mixture are ignored. */
  readonly samples: readonly SampleOutline[];
  readonly mixture: Mixture;
  readonly budget: StageBudget;
}

/** Rows of one epoch, made of a schedule's samples. */
export interface EpochSchedule {
  readonly rows: TreeRows;
  /** Steps that use rows of this epoch; the last one may have fewer rows. */
  readonly steps: number;
}

export interface StageSchedule {
  readonly budget: StageBudget;
  /** Of the mixture, which fit a row. */
  readonly samples: readonly SampleOutline[];
  /** Those that steps are taken from. */
  readonly epochs: readonly EpochSchedule[];
  /** Optimizer steps of the stage. */
  readonly steps: number;
  /** Samples of the mixture that exceed a row; they are in no epoch. Error or counted drop is the caller's policy. */
  readonly tooLong: readonly TooLong[];
}

/**
 * Draws and packs the epochs of a stage, up to the one that reaches `maxSteps`.
 *
 * @throws UserError (DataError) when nothing is left to train on.
 */
export function scheduleStage({ stage, seed, samples, mixture, budget }: StageInput): StageSchedule {
  const wanted = samples.filter(({ task }) => (mixture[task] ?? 0) > 0);
  const { fitting, tooLong } = splitByLength(wanted, budget.rowTokens);
  const prefixes = numberPrefixes(fitting);
  const epochs: EpochSchedule[] = [];
  let steps = 0;
  for (const [epoch, share] of epochShares(budget.epochs).entries()) {
    if (steps >= (budget.maxSteps ?? Infinity)) break; // "very many epochs, at most so many steps" draws no more than it uses
    const rows = assignRows(drawEpoch(fitting, prefixes, mixture, { seed, stage, epoch, share }), fitting, budget.rowTokens);
    epochs.push({ rows, steps: Math.ceil(listCount(rows.rows) / rowsPerStep(budget)) });
    steps += epochs.at(-1)?.steps ?? 0;
  }
  if (steps === 0) throw new UserError(nothingToTrain(stage, { mixture, wanted: wanted.length, tooLong: tooLong.length }));
  return { budget, samples: fitting, epochs, steps: Math.min(steps, budget.maxSteps ?? steps), tooLong };
}

/** What batches are made with. */
export interface BatchSpec {
  readonly encode: Encoder;
  readonly featureRows: FeatureRows;
}

/** The batches of optimizer step `step` (1-based): `accumulation` batches of `rowsPerBatch` rows, fewer in an epoch's last step. */
export function stepBatches(schedule: StageSchedule, step: number, { encode, featureRows }: BatchSpec): Batch[] {
  const { budget } = schedule;
  const rows = stepTrees(schedule, step).map((trees) => buildRow(trees.map((tree) => encodeTree(tree, encode)), budget.rowTokens));
  return chunk(rows, budget.rowsPerBatch).map((batch) => buildBatch(batch, featureRows));
}

/** Epoch (from 0) that a step belongs to, and its number in it (from 0). */
export function locateStep({ epochs, steps }: StageSchedule, step: number): { readonly epoch: number; readonly index: number } {
  invariant(Number.isInteger(step) && step >= 1 && step <= steps, () => `step ${step} of ${steps}`);
  let index = step - 1;
  let epoch = 0;
  for (; index >= (epochs[epoch]?.steps ?? Infinity); epoch++) index -= epochs[epoch]?.steps ?? 0;
  return { epoch, index };
}

/** Rows of a step, as lists of trees. */
export function stepTrees(schedule: StageSchedule, step: number): readonly (readonly OutlineTree[])[] {
  const { epoch, index } = locateStep(schedule, step);
  const size = rowsPerStep(schedule.budget);
  return rowsBetween(schedule, epoch, { first: index * size, end: (index + 1) * size });
}

/** Rows of an epoch (from 0), as lists of trees. */
export function epochTrees(schedule: StageSchedule, epoch: number): OutlineTree[][] {
  return rowsBetween(schedule, epoch, { first: 0, end: Infinity });
}

function rowsBetween({ epochs, samples }: StageSchedule, epoch: number, { first, end }: { readonly first: number; readonly end: number }): OutlineTree[][] {
  const rows = epochs[epoch]?.rows;
  if (rows === undefined) return [];
  return Array.from({ length: Math.min(end, listCount(rows.rows)) - first }, (_, i) => treesOfRow(rows, first + i, samples));
}

function nothingToTrain(stage: string, counts: { readonly mixture: Mixture; readonly wanted: number; readonly tooLong: number }): Problem {
  const tasks = Object.keys(counts.mixture).join(", ");
  return {
    kind: "DataError",
    where: `stages.${stage}`,
    what: `no sample to train on: ${counts.wanted} in the training split for ${tasks}, ${counts.tooLong} of them longer than a row`,
    hint: "Check the labels in train.jsonl, raise the levels of the mixture or budget.rowTokens.",
  };
}

const rowsPerStep = ({ rowsPerBatch, accumulation }: StageBudget): number => rowsPerBatch * accumulation;

/** The list in parts of `size`, the last one with what is left. */
export function chunk<T>(list: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(list.length / size) }, (_, i) => list.slice(i * size, (i + 1) * size));
}

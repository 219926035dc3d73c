/** @file A training step as the product runs it: packing, mask, forward, backward, clipping, AdamW. */
import type { Kept } from "../../../src/backend/blocks.ts";
import { invariant } from "../../../src/core/errors.ts";
import type { BatchMedia } from "../../../src/curriculum/batch-media.ts";
import type { Batch } from "../../../src/curriculum/batch.ts";
import { type BatchSpec, type StageSchedule, stepBatches } from "../../../src/curriculum/schedule.ts";
import type { ModelConfig } from "../../../src/model/config.ts";
import type { ParamStore } from "../../../src/model/params.ts";
import { trainStage } from "../../../src/train/train-stage.ts";
import type { TrainTask } from "../bench-case.ts";
import type { TokenCounts } from "../../../src/model/flops.ts";
import { PATIENCE, type Repetition } from "../measure.ts";
import { visiblePairs } from "../visible-pairs.ts";

export interface Training {
  readonly params: ParamStore;
  readonly config: ModelConfig;
  readonly schedule: StageSchedule;
  readonly batchSpec: BatchSpec;
  readonly media: (batch: Batch) => BatchMedia;
  readonly learningRates: ReadonlyMap<string, number>;
  /** "inputs": with gradient checkpointing. */
  readonly kept?: Kept;
}

/** Every repetition is the next optimizer step of the product's own loop. */
export function trainSteps({ learningRates, params, media, kept = "intermediates", ...training }: Training): Repetition {
  params.setTrainable(learningRates.keys(), kept);
  const events = trainStage({
    stage: "bench",
    params,
    ...training,
    media: (batch) => Promise.resolve(media(batch)),
    learningRates,
    promptWeight: 0,
    learningRateSchedule: { kind: "constant", warmup: 0, floor: 0 },
    optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01, clipNorm: 1 },
    start: { step: 0, moments: new Map() },
    save: () => Promise.resolve("not saved"),
    saveEverySteps: Number.MAX_SAFE_INTEGER,
    signal: new AbortController().signal,
  });
  return async () => {
    const started = performance.now();
    const next = await events.next();
    const time = performance.now() - started;
    if (next.done === true || next.value.kind !== "step") throw new Error(`the training loop gave ${JSON.stringify(next)} instead of a step`);
    return time;
  };
}

/** A schedule whose every step is the first one of `schedule`: as many as are measured at most. */
export function sameStepAgain(schedule: StageSchedule, steps = PATIENCE.warmups + PATIENCE.most): StageSchedule {
  const [first] = schedule.epochs;
  invariant(first !== undefined, () => "a schedule without epochs");
  const { rows, ...rest } = first.rows;
  const perStep = schedule.budget.rowsPerBatch * schedule.budget.accumulation;
  const epoch = { rows: { ...rest, rows: { ...rows, starts: rows.starts.slice(0, perStep + 1) } }, steps: 1 };
  return { ...schedule, epochs: Array.from({ length: steps }, () => epoch), steps };
}

/** The first step's only batch. */
export function firstBatch(schedule: StageSchedule, batchSpec: BatchSpec): Batch {
  const [batch] = stepBatches(schedule, 1, batchSpec);
  invariant(batch !== undefined, () => "a schedule without steps");
  return batch;
}

export function tokenCounts({ rows, usedTokens, supervisedTokens }: Batch): TokenCounts {
  return { tokens: usedTokens, pairs: rows.reduce((pairs, row) => pairs + visiblePairs(row), 0), supervised: supervisedTokens };
}

/** The batch as the peer is given it. */
export function trainTask(config: ModelConfig, batch: Batch, { rank, framesPerClip }: { rank: number | null; framesPerClip: number }): TrainTask {
  return {
    kind: "train",
    config,
    rank,
    batchSize: batch.batchSize,
    length: batch.length,
    inputIds: [...batch.inputIds],
    labels: [...batch.labels],
    positionIds: [...batch.positionIds],
    featureIndex: [...batch.featureIndex],
    segments: batch.rows.map(({ segments }) => segments.map(({ parent, start, length }) => ({ parent, start, length }))),
    frames: batch.videoClips.length * framesPerClip,
    sounds: batch.audioClips.length,
  };
}

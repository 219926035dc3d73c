/**
 * @file The training loop of one stage: an async generator of events. Whoever consumes it decides what is printed and
 * when to stop; the loop itself prints nothing and reads no clock but for durations.
 */
import { dispose, type Tensor, tidy, add, keep, memory } from "@tensorflow/tfjs-core";
import { UserError } from "../core/errors.ts";
import type { DropPlace } from "../backend/dropout-mask.ts";
import type { BatchMedia } from "../curriculum/batch-media.ts";
import type { Batch } from "../curriculum/batch.ts";
import { type BatchSpec, stepBatches, type StageSchedule } from "../curriculum/schedule.ts";
import type { ModelConfig } from "../model/config.ts";
import type { ParamStore } from "../model/params.ts";
import { TASK_NAMES, type TaskName } from "../tasks/task.ts";
import { adamwUpdate, type AdamWOptions, type AdamWState, decaysMatrices } from "./adamw.ts";
import { clippedNorm } from "./clip-gradients.ts";
import type { RunEvent } from "./events.ts";
import { labelWeights } from "./label-weights.ts";
import { type LossAndGradients, lossAndGradients, supervisedPositions } from "./micro-batch.ts";
import { namingRows } from "./out-of-memory.ts";
import { learningRateFactor, type Schedule } from "./schedule.ts";
import { readStepNumbers, type StepTensors } from "./step-numbers.ts";

export interface StageRun {
  readonly stage: string;
  readonly params: ParamStore;
  readonly config: ModelConfig;
  readonly schedule: StageSchedule;
  readonly batchSpec: BatchSpec;
  /** What a prompt's label counts in the loss, an answer's counts 1. */
  readonly promptWeight: number;
  /** Awaited before the batch is run; what it takes is told apart in the step's event. */
  readonly media: (batch: Batch) => Promise<BatchMedia>;
  /** Peak learning rate of every trained parameter. */
  readonly learningRates: ReadonlyMap<string, number>;
  readonly learningRateSchedule: Schedule;
  readonly optimizer: AdamWOptions & { readonly clipNorm: number };
  /** Probabilities by place; absent: nothing is dropped. */
  readonly dropout?: (Readonly<Record<DropPlace, number>> & { readonly seed: number }) | undefined;
  /** Finished steps, and the optimizer state after them; changed in place. */
  readonly start: { readonly step: number; readonly moments: AdamWState };
  /** Writes a checkpoint and returns its folder. */
  readonly save: (step: number) => Promise<string>;
  readonly saveEverySteps: number;
  /** Called after a step when it is due; the events it yields (evaluations) are passed on. */
  readonly evaluate?: { readonly everySteps: number; readonly run: (step: number) => AsyncIterable<RunEvent> };
  readonly signal: AbortSignal;
}

/** Trains to the end, or until the signal fires; either way the last event names a saved checkpoint. */
export async function* trainStage(run: StageRun): AsyncGenerator<RunEvent> {
  const { schedule, start, saveEverySteps, evaluate, signal, stage } = run;
  let step = start.step;
  while (step < schedule.steps && !signal.aborted) {
    step += 1;
    yield await runStep(run, step);
    if (evaluate !== undefined && (step % evaluate.everySteps === 0 || step === schedule.steps)) yield* evaluate.run(step);
    if (step % saveEverySteps === 0 && step < schedule.steps) yield { kind: "checkpoint", stage, step, path: await run.save(step), reason: "interval" };
    await new Promise((resolve) => setImmediate(resolve)); // signals get their turn
  }
  yield { kind: "checkpoint", stage, step, path: await run.save(step), reason: step < schedule.steps ? "interrupted" : "end" };
}

/** One optimizer step: gradients summed over its batches, divided by the weight of all their labels. */
async function runStep(run: StageRun, step: number): Promise<RunEvent> {
  const started = performance.now();
  const { schedule, learningRates, stage } = run;
  const batches = stepBatches(schedule, step, run.batchSpec);
  const factor = learningRateFactor(run.learningRateSchedule, step, schedule.steps);
  const weighted = batches.map((batch) => weightedBatch(batch, run.promptWeight));
  const { mediaMilliseconds, ...sums } = await sumOverBatches(run, weighted, step);
  const outcome = await update(run, { ...sums, weighted, factor, step });
  return {
    kind: "step",
    stage,
    step,
    steps: schedule.steps,
    loss: outcome.loss,
    taskLoss: meanByTask(outcome.losses),
    supervisedTokens: batches.reduce((sum, batch) => sum + batch.supervisedTokens, 0),
    tokens: batches.reduce((sum, batch) => sum + batch.usedTokens, 0),
    learningRate: factor * Math.max(...learningRates.values()),
    gradientNorm: outcome.gradientNorm,
    milliseconds: performance.now() - started,
    mediaMilliseconds,
    tensorsAlive: memory().numTensors,
    megabytes: Math.round(process.memoryUsage().rss / 1e6),
    ...gpuMemory(),
  };
}

interface WeightedBatch {
  readonly batch: Batch;
  /** Of its labels. */
  readonly positions: Int32Array;
  /** Of the labels at these positions. */
  readonly weights: Float32Array;
}

function weightedBatch(batch: Batch, promptWeight: number): WeightedBatch {
  const positions = supervisedPositions(batch);
  return { batch, positions, weights: labelWeights(batch, positions, promptWeight) };
}

/** The tensors are used up. */
interface Update extends StepTensors {
  readonly weighted: readonly WeightedBatch[];
  /** Share of the peak learning rates. */
  readonly factor: number;
  readonly step: number;
}

interface Outcome {
  readonly losses: readonly PositionLoss[];
  /** Weighted mean over the labels. */
  readonly loss: number;
  /** Before clipping. */
  readonly gradientNorm: number;
}

function gpuMemory(): { readonly gpuMegabytes?: number } {
  const bytes: unknown = Reflect.get(memory(), "numBytesAllocatedInGPU");
  return typeof bytes === "number" ? { gpuMegabytes: Math.round(bytes / 1e6) } : {};
}

/** Clips and applies the gradients. Nothing has changed when the loss or a gradient is not finite, which it throws. */
async function update({ stage, params, learningRates, optimizer, start }: StageRun, { weighted, losses, gradients, factor, step }: Update): Promise<Outcome> {
  try {
    const numbers = await readStepNumbers({ losses, gradients });
    const positions = weighted.flatMap((batch, i) => positionLosses(batch, numbers.losses[i]));
    const weight = total(positions.map((position) => position.weight));
    const loss = meanLoss(positions);
    const clipped = clippedNorm(numbers.squares, { maxNorm: optimizer.clipNorm, scale: 1 / weight });
    if (clipped.kind === "non-finite" || !Number.isFinite(loss)) throw nonFinite({ stage, step, loss, names: clipped.kind === "non-finite" ? clipped.names : [] });
    await adamwUpdate(params, start.moments, {
      gradients,
      gradientScale: clipped.factor / weight,
      learningRate: (name) => factor * (learningRates.get(name) ?? 0),
      decays: decaysMatrices,
      options: optimizer,
    });
    return { losses: positions, loss, gradientNorm: clipped.norm };
  } finally {
    dispose([...losses, ...gradients.values()]);
  }
}

interface PositionLoss {
  readonly task: TaskName | undefined;
  readonly loss: number;
  readonly weight: number;
}

function positionLosses({ batch, positions, weights }: WeightedBatch, losses: Float32Array = new Float32Array(0)): PositionLoss[] {
  return Array.from(losses, (loss, i) => ({ task: taskAt(batch, positions[i] ?? 0), loss, weight: weights[i] ?? 0 }));
}

async function sumOverBatches(run: StageRun, weighted: readonly WeightedBatch[], step: number): Promise<StepTensors & { readonly mediaMilliseconds: number }> {
  const gradients = new Map<string, Tensor>();
  const losses: Tensor[] = [];
  let mediaMilliseconds = 0;
  try {
    for (const [index, batch] of weighted.entries()) {
      const result = await batchGradients(run, batch, { step, index });
      mediaMilliseconds += result.mediaMilliseconds;
      losses.push(result.losses);
      for (const [name, gradient] of result.gradients) gradients.set(name, addTo(gradients.get(name), gradient));
    }
  } catch (error) {
    dispose([...losses, ...gradients.values()]); // a clip may have become unreadable
    throw error;
  }
  return { gradients, losses, mediaMilliseconds };
}

async function batchGradients({ stage, params, config, media, learningRates, dropout }: StageRun, { batch, weights }: WeightedBatch, { step, index }: { readonly step: number; readonly index: number }): Promise<LossAndGradients & { readonly mediaMilliseconds: number }> {
  const asked = performance.now();
  try {
    const input = { batch, media: await media(batch) };
    const mediaMilliseconds = performance.now() - asked;
    // Not before: a tower that is not trained drops nothing.
    if (dropout !== undefined) params.setDropout({ ...dropout, key: [dropout.seed, stage, step, index] });
    // Where all labels count alike, as with answers alone, the device has nothing to multiply.
    const unequal = weights.every((weight) => weight === 1) ? undefined : weights;
    return { ...lossAndGradients(params, config, input, [...learningRates.keys()], unequal), mediaMilliseconds };
  } catch (error) {
    throw namingRows(error, { stage, step, batch });
  } finally {
    params.setDropout(undefined);
  }
}

/** The sum; both arguments are used up. */
function addTo(sum: Tensor | undefined, gradient: Tensor): Tensor {
  if (sum === undefined) return gradient;
  const next = keep(tidy(() => add(sum, gradient)));
  dispose([sum, gradient]);
  return next;
}

function taskAt({ rows, length }: Batch, position: number): TaskName | undefined {
  const row = rows[Math.floor(position / length)];
  const segment = row?.segmentIds[position % length] ?? 0;
  return row?.segments[segment - 1]?.task;
}

function meanByTask(losses: readonly PositionLoss[]): Partial<Record<TaskName, number>> {
  const means: Partial<Record<TaskName, number>> = {};
  for (const task of TASK_NAMES) {
    const own = losses.filter((position) => position.task === task);
    if (own.length > 0) means[task] = meanLoss(own);
  }
  return means;
}

function meanLoss(positions: readonly PositionLoss[]): number {
  return total(positions.map(({ loss, weight }) => loss * weight)) / total(positions.map(({ weight }) => weight));
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function nonFinite({ stage, step, loss, names }: { stage: string; step: number; loss: number; names: readonly string[] }): UserError {
  const first = names[0] === undefined ? "" : `; first gradient: ${names[0]} (${names.length} in all)`;
  return new UserError({
    kind: "SystemError",
    where: `stage ${stage}, step ${step}`,
    what: `the loss or a gradient is not finite. Got loss ${loss}, expected a number${first}`,
    hint: "The weights are those of the last good step. Lower the learning rate or optimizer.clipNorm, and go on with --resume from the last checkpoint.",
  });
}

/** @file What planning and training of a stage have in common: its samples encoded, its schedule drawn, its weights ready. */
import type { RunConfig, StageConfig } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import { resolveMixture } from "../curriculum/mixture.ts";
import { tooLongProblems } from "../curriculum/pack.ts";
import { type PlanContext, planStage, type StagePlan } from "../curriculum/plan.ts";
import { scheduleStage, type StageInput, type StageSchedule } from "../curriculum/schedule.ts";
import { refuseToTrainPacked } from "../model/frozen-base.ts";
import type { Shapes } from "../model/params.ts";
import { TASK_NAMES, type TaskName } from "../tasks/task.ts";
import { encodeSamples } from "../text/encode.ts";
import { estimateMemory, type MemoryEstimate, type MemoryInput, type Place } from "../train/memory-estimate.ts";
import type { StageNeed } from "../train/memory-fit.ts";
import { estimateTime, type TimeEstimate, type WorkInput } from "../train/time-estimate.ts";
import { trainableParameters } from "../train/trainable.ts";
import { sizeOfShape } from "../model/params.ts";
import { dropsByReason, type LoadedSamples } from "./clips.ts";
import type { Experiment } from "./experiment.ts";

/** With what the model's size adds to the numbers of a schedule. */
export type PlannedStage = StagePlan & { readonly memory: MemoryEstimate; readonly time: TimeEstimate };

export interface PreparedStage {
  readonly schedule: StageSchedule;
  readonly plan: PlannedStage;
  readonly need: StageNeed;
  /** Peak learning rate of every trained parameter. */
  readonly learningRates: ReadonlyMap<string, number>;
}

/** Tasks that any of the stages trains, in the order of TASK_NAMES. */
export function tasksOf(stages: readonly StageConfig[]): TaskName[] {
  return TASK_NAMES.filter((task) => stages.some(({ mixture }) => mixture[task] !== undefined));
}

export interface StageStart {
  readonly loaded: LoadedSamples;
  /** Of the parameters that the stage starts from. */
  readonly shapes: Shapes;
  readonly place: Place;
  /** The device's rate of matrix products, where it was measured. */
  readonly gigaflops?: number | undefined;
}

/** Schedule, plan, needs and learning rates of a stage. */
export function prepareStage(experiment: Experiment, stage: StageConfig, { loaded, shapes, place, gigaflops }: StageStart): PreparedStage {
  const { config, encoding } = experiment;
  const learningRates = trainableParameters(stage.trainable, [...shapes.keys()], `stages.${stage.name}.trainable`);
  refuseToTrainPacked(config.model.frozenBase, { shapes, trained: [...learningRates.keys()], where: `stages.${stage.name}.trainable` });
  const input: StageInput = {
    stage: stage.name,
    seed: config.seed,
    samples: encodeSamples(loaded.samples, { ...encoding, withAnswer: true }),
    mixture: resolveMixture(stage.name, { mixture: stage.mixture, levels: config.levels }),
    budget: stage.budget,
  };
  const schedule = scheduleStage(input);
  refuseTooLong(config, stage, schedule);
  const context: PlanContext = { drops: dropsByReason(loaded.unreadable.filter(({ task }) => stage.mixture[task] !== undefined)), trainableParameters: count(shapes, learningRates.keys()), totalParameters: count(shapes, shapes.keys()) };
  const plan = planStage(input, context, schedule);
  const memoryNeed = memoryInput(experiment, stage, { plan, trained: [...learningRates.keys()], loaded, shapes, place });
  const memory = estimateMemory(memoryNeed);
  const time = estimateTime(stageWork(experiment, stage, { plan, trained: memoryNeed.trained, shapes }), gigaflops);
  return { schedule, plan: { ...plan, memory, time }, need: { stage: stage.name, estimate: memory, input: memoryNeed }, learningRates };
}

function memoryInput(
  { config: { data, model: { frozenBase } }, model }: Experiment,
  { budget }: StageConfig,
  { plan: { largestBatch, steps }, shapes, trained, loaded, place }: StageStart & { readonly plan: StagePlan; readonly trained: readonly string[] },
): MemoryInput {
  const { rows, supervisedTokens, videoClips, audioClips } = largestBatch;
  return {
    config: model.config,
    shapes,
    trained,
    frozenBase,
    batch: { rows, length: budget.rowTokens, supervised: supervisedTokens, frames: videoClips * data.frames, sounds: audioClips },
    batches: steps * budget.accumulation,
    accumulation: budget.accumulation,
    kept: budget.gradientCheckpointing ? "inputs" : "intermediates",
    clipBytes: [...loaded.clips.values()].reduce((sum, { pixels, mel }) => sum + (pixels?.byteLength ?? 0) + (mel?.byteLength ?? 0), 0),
    place,
  };
}

function stageWork({ config: { data }, model }: Experiment, { budget }: StageConfig, { plan, trained, shapes }: { readonly plan: StagePlan; readonly trained: readonly string[]; readonly shapes: Shapes }): WorkInput {
  const { rows, rowTokens, packedTokens, meanTreesPerRow, supervisedTokens, clipPasses } = plan;
  return {
    config: model.config,
    shapes,
    trained,
    positions: rows * rowTokens,
    tokens: packedTokens,
    trees: rows * meanTreesPerRow,
    supervised: supervisedTokens,
    media: { frames: clipPasses.videoClips * data.frames, sounds: clipPasses.audioClips },
    kept: budget.gradientCheckpointing ? "inputs" : "intermediates",
  };
}

/** Numbers in the named parameters. */
function count(shapes: Shapes, names: Iterable<string>): number {
  return [...names].reduce((sum, name) => sum + sizeOfShape(shapes.get(name) ?? []), 0);
}

function refuseTooLong({ data }: RunConfig, { name, budget }: StageConfig, { tooLong }: StageSchedule): void {
  if (tooLong.length > 0 && data.onBad === "error") throw new UserError(tooLongProblems(tooLong, { stage: name, rowTokens: budget.rowTokens }));
}

/** @file What planning and training of a stage have in common: its samples encoded, its schedule drawn, its weights ready. */
import type { RunConfig, StageConfig } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import { FLOAT_BYTES } from "../core/half-floats.ts";
import { resolveMixture } from "../curriculum/mixture.ts";
import { tooLongProblems } from "../curriculum/pack.ts";
import type { SampleOutline } from "../curriculum/outline.ts";
import { type ClipCounts, type PlanContext, planStage, type StagePlan } from "../curriculum/plan.ts";
import { scheduleStage, type StageInput, type StageSchedule } from "../curriculum/schedule.ts";
import type { MediaCounts } from "../model/flops.ts";
import { refuseToTrainPacked } from "../model/frozen-base.ts";
import { type ParamStore, type Shapes, sizeOfShape } from "../model/params.ts";
import { frozenTowers, statesShape, type Tower, TOWERS } from "../model/tower-states.ts";
import { TASK_NAMES, type TaskName } from "../tasks/task.ts";
import type { Learned } from "../text/encode.ts";
import { estimateMemory, type MemoryEstimate, type MemoryInput, type Place } from "../train/memory-estimate.ts";
import type { StageNeed } from "../train/memory-fit.ts";
import { estimateTime, type TimeEstimate, type WorkInput } from "../train/time-estimate.ts";
import { trainableParameters } from "../train/trainable.ts";
import { dropsByReason, inputsOf, type Surveyed } from "./clips.ts";
import type { Experiment } from "./experiment.ts";
import { type AdaptedStage, dropoutOf } from "./stage-adapters.ts";

/** With what the model's size adds to the numbers of a schedule. */
export type PlannedStage = StagePlan & { readonly memory: MemoryEstimate; readonly time: TimeEstimate };

export interface PreparedStage {
  readonly schedule: StageSchedule;
  readonly plan: PlannedStage;
  readonly need: StageNeed;
  /** Peak learning rate of every trained parameter. */
  readonly learningRates: ReadonlyMap<string, number>;
  readonly frozen: readonly Tower[];
}

/** Whether a stage draws a task: at level 0 it is switched off, as one that the mixture does not name. */
export function trainsTask({ levels }: Pick<RunConfig, "levels">, { name, mixture }: StageConfig, task: TaskName): boolean {
  return (resolveMixture(name, { mixture, levels })[task] ?? 0) > 0;
}

/** Tasks that any of the stages trains, in the order of TASK_NAMES. */
export function tasksOf(config: Pick<RunConfig, "levels">, stages: readonly StageConfig[]): TaskName[] {
  return TASK_NAMES.filter((task) => stages.some((stage) => trainsTask(config, stage, task)));
}

/** What a plan is made of beside the samples. */
export type PlannedExperiment = Pick<Experiment, "config" | "model" | "clipSpec">;

export interface StageStart {
  readonly surveyed: Surveyed<SampleOutline>;
  /** Of the parameters that the stage starts from. */
  readonly shapes: Shapes;
  readonly place: Place;
  /** The device's rate of matrix products, where it was measured. */
  readonly gigaflops?: number | undefined;
}

/** Schedule, plan, needs and learning rates of a stage. */
export function prepareStage(experiment: PlannedExperiment, stage: StageConfig, { surveyed, shapes, place, gigaflops }: StageStart): PreparedStage {
  const { config } = experiment;
  const learningRates = stageLearningRates(stage, shapes.keys());
  const frozen = frozenTowers(experiment.model.config, learningRates.keys());
  refuseToTrainPacked(config.model.frozenBase, { shapes, trained: [...learningRates.keys()], where: `stages.${stage.name}.trainable` });
  const input: StageInput = {
    stage: stage.name,
    seed: config.seed,
    samples: surveyed.samples,
    mixture: resolveMixture(stage.name, { mixture: stage.mixture, levels: config.levels }),
    budget: stage.budget,
  };
  const schedule = scheduleStage(input);
  refuseTooLong(config, stage, schedule);
  const context: PlanContext = { supervise: supervisionOf(stage), drops: dropsByReason(surveyed.unreadable.filter(({ task }) => trainsTask(config, stage, task))), trainableParameters: count(shapes, learningRates.keys()), totalParameters: count(shapes, shapes.keys()) };
  const plan = planStage(input, context, schedule);
  const memoryNeed = memoryInput(experiment, stage, { ...plan, trained: [...learningRates.keys()], frozen, clips: surveyed.clips.length, shapes, place });
  const memory = estimateMemory(memoryNeed);
  const time = estimateTime(stageWork(experiment, stage, { plan, trained: memoryNeed.trained, shapes }), gigaflops);
  return { schedule, plan: { ...plan, memory, time }, need: { stage: stage.name, estimate: memory, input: memoryNeed }, learningRates, frozen };
}

/** What of a stage's samples carries labels. */
export function supervisionOf({ promptWeight }: StageConfig): Learned {
  return promptWeight > 0 ? "everything" : "answers";
}

/** Peak learning rate of every parameter, out of these, that a stage trains. @throws UserError - ConfigError for patterns that match none. */
export function stageLearningRates({ name, trainable }: StageConfig, names: Iterable<string>): ReadonlyMap<string, number> {
  return trainableParameters(trainable, [...names], `stages.${name}.trainable`);
}

/** What decides a stage's memory, beside config and model. */
export interface MemoryFacts extends Pick<StagePlan, "largestBatch" | "steps">, Pick<StageStart, "shapes" | "place"> {
  readonly trained: readonly string[];
  readonly frozen: readonly Tower[];
  /** Of the whole stage. */
  readonly clips: number;
}

export function memoryInput(experiment: PlannedExperiment, stage: StageConfig, { largestBatch, steps, shapes, trained, frozen, clips, place }: MemoryFacts): MemoryInput {
  const { config: { data }, model } = experiment;
  const { budget } = stage;
  const { rows, supervisedTokens, videoClips, audioClips } = largestBatch;
  return {
    config: model.config,
    shapes,
    trained,
    frozenBase: experiment.config.model.frozenBase,
    batch: { rows, length: budget.rowTokens, supervised: supervisedTokens, frames: videoClips * data.frames, framesPerClip: data.frames, sounds: audioClips },
    batches: steps * budget.accumulation,
    accumulation: budget.accumulation,
    kept: budget.gradientCheckpointing ? "inputs" : "intermediates",
    dropout: dropoutOf(experiment.config, stage),
    clipBytes: Math.min(data.memoryGigabytes * 1e9, clips * bytesPerClip(experiment, frozen)),
    place,
  };
}

function stageWork({ config: { data }, model }: PlannedExperiment, { budget }: StageConfig, { plan, trained, shapes }: { readonly plan: StagePlan; readonly trained: readonly string[]; readonly shapes: Shapes }): WorkInput {
  const { rows, rowTokens, packedTokens, meanTreesPerRow, supervisedTokens, clipPasses, distinctClips } = plan;
  const mediaOf = ({ videoClips, audioClips }: ClipCounts): MediaCounts => ({ frames: videoClips * data.frames, sounds: audioClips });
  return {
    config: model.config,
    shapes,
    trained,
    positions: rows * rowTokens,
    tokens: packedTokens,
    trees: rows * meanTreesPerRow,
    supervised: supervisedTokens,
    media: mediaOf(clipPasses),
    distinct: mediaOf(distinctClips),
    kept: budget.gradientCheckpointing ? "inputs" : "intermediates",
  };
}

/** Towers that none of the stages trains. */
export function frozenInAll({ model }: Pick<Experiment, "model">, stages: readonly AdaptedStage[]): Tower[] {
  const trained = stages.flatMap(({ stage, shapes }) => [...stageLearningRates(stage, shapes.keys()).keys()]);
  return frozenTowers(model.config, trained);
}

/**
 * The towers that the stage behind a checkpoint did not train: their states are stored, as those of the stage were. A tower
 * that it trained gives states that no other stage shares.
 */
export function frozenInStage({ config, model }: Pick<Experiment, "config" | "model">, name: string, params: ParamStore): Tower[] {
  const stage = config.stages.find((candidate) => candidate.name === name);
  return stage === undefined ? [] : frozenTowers(model.config, stageLearningRates(stage, params.names()).keys());
}

/** In memory: decoded, or as the states of frozen towers. */
function bytesPerClip({ config, model, clipSpec: { frames, imageSize, melBins, melFrames } }: PlannedExperiment, frozen: readonly Tower[]): number {
  const inputs = inputsOf({ config, model });
  const decoded = { video: frames * imageSize ** 2 * 3, audio: FLOAT_BYTES.float32 * melBins * melFrames } as const satisfies Record<Tower, number>;
  const bytesOf = (tower: Tower): number => (frozen.includes(tower) ? FLOAT_BYTES.float32 * sizeOfShape(statesShape(model.config, tower, frames)) : decoded[tower]);
  return TOWERS.filter((tower) => inputs.includes(tower)).reduce((sum, tower) => sum + bytesOf(tower), 0);
}

/** Numbers in the named parameters. */
function count(shapes: Shapes, names: Iterable<string>): number {
  return [...names].reduce((sum, name) => sum + sizeOfShape(shapes.get(name) ?? []), 0);
}

function refuseTooLong({ data }: RunConfig, { name, budget }: StageConfig, { tooLong }: StageSchedule): void {
  if (tooLong.length > 0 && data.onBad === "error") throw new UserError(tooLongProblems(tooLong, { stage: name, rowTokens: budget.rowTokens }));
}

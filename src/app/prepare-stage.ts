/** @file What planning and training of a stage have in common: its samples encoded, its schedule drawn, its weights ready. */
import type { RunConfig, StageConfig } from "../config/index.ts";
import { UserError } from "../core/errors.ts";
import { resolveMixture } from "../curriculum/mixture.ts";
import { tooLongProblems } from "../curriculum/pack.ts";
import { type PlanContext, planStage, type StagePlan } from "../curriculum/plan.ts";
import { scheduleStage, type StageInput, type StageSchedule } from "../curriculum/schedule.ts";
import type { ParamStore } from "../model/params.ts";
import { TASK_NAMES, type TaskName } from "../tasks/task.ts";
import { encodeSamples } from "../text/encode.ts";
import { trainableParameters } from "../train/trainable.ts";
import { dropsByReason, type LoadedSamples } from "./clips.ts";
import type { Experiment } from "./experiment.ts";

export interface PreparedStage {
  readonly schedule: StageSchedule;
  readonly plan: StagePlan;
  /** Peak learning rate of every trained parameter. */
  readonly learningRates: ReadonlyMap<string, number>;
}

/** Tasks that any of the stages trains, in the order of TASK_NAMES. */
export function tasksOf(stages: readonly StageConfig[]): TaskName[] {
  return TASK_NAMES.filter((task) => stages.some(({ mixture }) => mixture[task] !== undefined));
}

/** Schedule, plan and learning rates of a stage; `params` are those it starts from. */
export function prepareStage({ config, encoding }: Experiment, stage: StageConfig, { loaded, params }: { loaded: LoadedSamples; params: ParamStore }): PreparedStage {
  const learningRates = trainableParameters(stage.trainable, params.names(), `stages.${stage.name}.trainable`);
  const input: StageInput = {
    stage: stage.name,
    seed: config.seed,
    samples: encodeSamples(loaded.samples, { ...encoding, withAnswer: true }),
    mixture: resolveMixture(stage.name, { mixture: stage.mixture, levels: config.levels }),
    budget: stage.budget,
  };
  const schedule = scheduleStage(input);
  refuseTooLong(config, stage, schedule);
  const context: PlanContext = { drops: dropsByReason(loaded.unreadable.filter(({ task }) => stage.mixture[task] !== undefined)), trainableParameters: params.count([...learningRates.keys()]), totalParameters: params.count() };
  return { schedule, plan: planStage(input, context, schedule), learningRates };
}

function refuseTooLong({ data }: RunConfig, { name, budget }: StageConfig, { tooLong }: StageSchedule): void {
  if (tooLong.length > 0 && data.onBad === "error") throw new UserError(tooLongProblems(tooLong, { stage: name, rowTokens: budget.rowTokens }));
}

/** @file What training would do, in numbers, from the very schedule that it would execute. */
import { selectBackend } from "../backend/select.ts";
import type { RunConfig, StageConfig } from "../config/index.ts";
import type { StagePlan } from "../curriculum/plan.ts";
import { isLora, addLora } from "../model/lora.ts";
import type { ParamStore } from "../model/params.ts";
import { loadSampleClips } from "./clips.ts";
import { openExperiment, samplesOf } from "./experiment.ts";
import { prepareStage, tasksOf } from "./prepare-stage.ts";
import { loadBase } from "./stage-weights.ts";

export interface PlanOptions {
  readonly config: RunConfig;
  /** Names, in order. */
  readonly stages: readonly string[];
  readonly signal: AbortSignal;
}

/** The plans of the stages; nothing is written, unless the config names a cache. */
export async function planRun({ config, stages: names, signal }: PlanOptions): Promise<{ readonly stages: readonly StagePlan[] }> {
  await selectBackend("cpu");
  const experiment = await openExperiment(config);
  const stages = config.stages.filter(({ name }) => names.includes(name));
  const loaded = await loadSampleClips(experiment, samplesOf(experiment, "train", tasksOf(stages)), { signal, cacheFolder: config.data.cache });
  const plans: StagePlan[] = [];
  for (const stage of stages) {
    const { params } = await loadBase(config, experiment.model);
    addAdapters(config, stage, params);
    plans.push(prepareStage(experiment, stage, { loaded, params }).plan);
    params.dispose();
  }
  return { stages: plans };
}

/** The adapters that a stage has of its own or from the stages it descends from. */
function addAdapters(config: RunConfig, stage: StageConfig, params: ParamStore): void {
  const parent = config.stages.find(({ name }) => name === stage.initFrom);
  if (parent !== undefined) addAdapters(config, parent, params);
  if (stage.lora !== undefined && !params.names().some(isLora)) addLora(params, stage.lora, config.seed, `stages.${stage.name}.lora`);
}

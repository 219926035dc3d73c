/** @file What training would do, in numbers, from the very schedule that it would execute. */
import type { RunConfig, StageConfig } from "../config/index.ts";
import { resultOf } from "../core/reports.ts";
import { expectedParameters } from "../model/checkpoints/expected-parameters.ts";
import { weightShapes } from "../model/checkpoints/hf-folder.ts";
import { isLora, loraShapes } from "../model/lora.ts";
import type { Shapes } from "../model/params.ts";
import { loadSampleClips } from "./clips.ts";
import { type Experiment, openExperiment, samplesOf } from "./experiment.ts";
import { type PlannedStage, prepareStage, tasksOf } from "./prepare-stage.ts";

export interface PlanOptions {
  readonly config: RunConfig;
  /** Names, in order. */
  readonly stages: readonly string[];
  readonly signal: AbortSignal;
}

/** The plans of the stages. No weight is loaded; nothing is written, unless the config names a cache. */
export async function planRun({ config, stages: names, signal }: PlanOptions): Promise<{ readonly stages: readonly PlannedStage[] }> {
  const experiment = await openExperiment(config);
  const stages = config.stages.filter(({ name }) => names.includes(name));
  const loaded = await resultOf(loadSampleClips(experiment, samplesOf(experiment, "train", tasksOf(stages)), { signal, cacheFolder: config.data.cache }));
  const base = await baseShapes(experiment);
  return { stages: stages.map((stage) => prepareStage(experiment, stage, { loaded, shapes: withAdapters(config, stage, base) }).plan) };
}

/** What `loadBase` would load. */
export async function baseShapes({ config, model }: Pick<Experiment, "config" | "model">): Promise<Shapes> {
  return config.model.init === "random" ? expectedParameters(model.config) : weightShapes(model);
}

/** With the adapters that a stage has of its own or from the stages it descends from. */
export function withAdapters(config: RunConfig, stage: StageConfig, base: Shapes): Shapes {
  const parent = config.stages.find(({ name }) => name === stage.initFrom);
  const shapes = parent === undefined ? base : withAdapters(config, parent, base);
  if (stage.lora === undefined || [...shapes.keys()].some(isLora)) return shapes;
  return new Map([...shapes, ...loraShapes(shapes, stage.lora, `stages.${stage.name}.lora`)]);
}

/** @file What training would do, in numbers, from the very schedule that it would execute. */
import { deviceLimits, type DeviceLimits, hostLimits } from "../backend/device-limits.ts";
import { type ActiveBackend, selectBackend } from "../backend/select.ts";
import type { RunConfig } from "../config/index.ts";
import { resultOf } from "../core/reports.ts";
import { quickRate } from "../doctor/index.ts";
import { expectedParameters } from "../model/checkpoints/expected-parameters.ts";
import { weightShapes } from "../model/checkpoints/hf-folder.ts";
import type { Shapes } from "../model/params.ts";
import type { Place } from "../train/memory-estimate.ts";
import { type StageFit, stageFit } from "../train/memory-fit.ts";
import { openClips, surveySamples } from "./clips.ts";
import { type Experiment, openStreamedExperiment } from "./experiment.ts";
import { frozenInAll, type PlannedStage, prepareStage, tasksOf } from "./prepare-stage.ts";
import { adaptedStages } from "./stage-adapters.ts";
import { outlineSamples, streamTrainingSamples } from "./stage-samples.ts";

export interface PlanOptions {
  readonly config: RunConfig;
  /** Names, in order. */
  readonly stages: readonly string[];
  readonly signal: AbortSignal;
}

export interface RunPlan {
  readonly stages: readonly PlannedStage[];
  readonly device: PlannedDevice;
  /** Whether each stage fits, in their order. */
  readonly fits: readonly StageFit[];
}

/** What the plan is held against: the device of the config's backend, or this machine, and why. */
export interface PlannedDevice extends DeviceLimits {
  readonly backendFailure?: string;
  /** Rate of matrix products, measured; absent where the backend does not start. */
  readonly gigaflops?: number;
}

/** The plans of the stages. No weight is loaded; nothing is written, unless the config names a cache. A backend that does not start is no obstacle. */
export async function planRun({ config, stages: names, signal }: PlanOptions): Promise<RunPlan> {
  const experiment = await openStreamedExperiment(config);
  const stages = config.stages.filter(({ name }) => names.includes(name));
  const { device, place } = await plannedDevice(config);
  const base = await baseShapes(experiment);
  const adapted = await adaptedStages(config, stages, base);
  const clips = await openClips(experiment, { folder: config.data.cache });
  const samples = await outlineSamples(experiment, streamTrainingSamples(experiment, tasksOf(config, stages)));
  const surveyed = await resultOf(surveySamples(experiment, samples, { clips, frozen: frozenInAll(experiment, adapted), signal }));
  const prepared = adapted.map(({ stage, shapes }) => {
    const { plan, need } = prepareStage(experiment, stage, { surveyed, shapes, place, gigaflops: device.gigaflops });
    return { plan, fit: stageFit(need, device) };
  });
  return { stages: prepared.map(({ plan }) => plan), device, fits: prepared.map(({ fit }) => fit) };
}

async function plannedDevice({ backend, precision }: RunConfig): Promise<{ readonly device: PlannedDevice; readonly place: Place }> {
  const active = await selectBackend(backend, precision).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
  if (typeof active !== "string") return { device: { ...deviceLimits(active), gigaflops: await quickRate() }, place: placeOf(active) };
  return { device: { ...hostLimits(), backendFailure: `${backend} does not start here: ${active.split("\n", 1)[0] ?? ""}` }, place: "host" };
}

/** Where a backend's tensors are. */
export function placeOf({ name, gpu }: Pick<ActiveBackend, "name" | "gpu">): Place {
  if (gpu === undefined) return name === "onnxruntime" ? "host" : "plain-host";
  return name === "webgpu" ? "fused-gpu" : "gpu";
}

/** What `loadBase` would load. */
export async function baseShapes({ config, model }: Pick<Experiment, "config" | "model">): Promise<Shapes> {
  return config.model.init === "random" ? expectedParameters(model.config) : weightShapes(model);
}

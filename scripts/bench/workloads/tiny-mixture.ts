/** @file The mixture of the demo's second stage over the fixture: clips with several tasks, and conversations. */
import { prepareTiny, tinyStage } from "../cases/tiny-step.ts";
import type { Workload } from "./workload.ts";

export async function tinyWorkload(): Promise<Workload> {
  const { experiment, stage, input, samples, batchSpec } = await tinyStage();
  return {
    name: "stage 2, fixture",
    input,
    samples,
    model: experiment.model.config,
    framesPerClip: experiment.config.data.frames,
    featureRows: batchSpec.featureRows,
    prepare: (training) => prepareTiny(experiment, stage, training),
  };
}

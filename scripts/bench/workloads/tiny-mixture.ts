/** @file The mixture of the demo's second stage over the fixture: clips with several tasks, and conversations. */
import { featureRows } from "../../../src/curriculum/batch.ts";
import { prepareTiny, tinyStage } from "../cases/tiny-step.ts";
import type { Workload } from "./workload.ts";

export async function tinyWorkload(): Promise<Workload> {
  const { experiment, stage, input } = await tinyStage();
  return {
    name: "stage 2, fixture",
    input,
    model: experiment.model.config,
    framesPerClip: experiment.config.data.frames,
    featureRows: featureRows(experiment.encoding.mediaTokens),
    prepare: (schedule) => prepareTiny(experiment, stage, schedule),
  };
}

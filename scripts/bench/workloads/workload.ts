/** @file Workload: samples to train on, and how. */
import type { FeatureRows } from "../../../src/curriculum/batch.ts";
import type { StageInput } from "../../../src/curriculum/schedule.ts";
import type { ModelConfig } from "../../../src/model/config.ts";
import type { EncodedSample } from "../../../src/text/encoded-sample.ts";
import type { Training } from "../cases/train-steps.ts";
import type { Repetition } from "../measure.ts";

export interface Workload {
  readonly name: string;
  readonly input: Omit<StageInput, "samples">;
  readonly samples: readonly EncodedSample[];
  readonly model: ModelConfig;
  readonly framesPerClip: number;
  readonly featureRows: FeatureRows;
  /** A fresh model; each repetition is the next step of the schedule. */
  readonly prepare: (training: Pick<Training, "schedule" | "batchSpec">) => Repetition;
}

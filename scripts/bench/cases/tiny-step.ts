/** @file train-tiny: a step of the demo's second stage on the fixture's samples, towers included; pictures and sounds are noise. */
import { join } from "node:path";
import { type Experiment, openExperiment, samplesOf } from "../../../src/app/experiment.ts";
import { tasksOf } from "../../../src/app/prepare-stage.ts";
import { loadConfig, type StageConfig } from "../../../src/config/index.ts";
import { invariant } from "../../../src/core/errors.ts";
import { rng } from "../../../src/core/rng.ts";
import { featureRows } from "../../../src/curriculum/batch.ts";
import { batchMedia } from "../../../src/curriculum/batch-media.ts";
import { resolveMixture } from "../../../src/curriculum/mixture.ts";
import { finder, outlineOf } from "../../../src/curriculum/outline.ts";
import { epochTrees, type BatchSpec, scheduleStage, type StageInput, type StageSchedule } from "../../../src/curriculum/schedule.ts";
import type { Clip, ClipSpec } from "../../../src/media/clip.ts";
import { initRandom } from "../../../src/model/init.ts";
import { ParamStore } from "../../../src/model/params.ts";
import { encodeSamples } from "../../../src/text/encode.ts";
import type { EncodedSample } from "../../../src/text/encoded-sample.ts";
import { trainableParameters } from "../../../src/train/trainable.ts";
import type { BenchCase } from "../bench-case.ts";
import { fullStepFlops } from "../../../src/model/flops.ts";
import type { Repetition } from "../measure.ts";
import { firstBatch, sameStepAgain, tokenCounts, type Training, trainSteps, trainTask } from "./train-steps.ts";

const ROOT = join(import.meta.dirname, "../../..");
const STAGE = "reason-finetuning";
/** Fixed here, so that times stay comparable when the experiment's own budget changes. */
const STEP = { rowTokens: 512, rowsPerBatch: 3, accumulation: 1 };

/** The step over the first rows of the stage, in which conversations and clips share their prefixes. */
export async function tinyStep(): Promise<BenchCase> {
  const { experiment, stage, input, batchSpec } = await tinyStage();
  const { config } = experiment;
  const schedule = sameStepAgain(scheduleStage(input));
  const batch = firstBatch(schedule, batchSpec);
  const model = experiment.model.config;
  return {
    tokens: batch.usedTokens,
    flops: fullStepFlops(model, tokenCounts(batch), { frames: batch.videoClips.length * config.data.frames, sounds: batch.audioClips.length }),
    peer: trainTask(model, batch, { rank: null, framesPerClip: config.data.frames }),
    prepare: () => prepareTiny(experiment, stage, { schedule, batchSpec }),
  };
}

export interface TinyStage {
  readonly experiment: Experiment;
  readonly stage: StageConfig;
  /** Of the fixture's training split, in the stage's mixture. */
  readonly input: StageInput;
  readonly samples: readonly EncodedSample[];
  readonly batchSpec: BatchSpec;
}

/** The demo's second stage over the fixture. */
export async function tinyStage(): Promise<TinyStage> {
  const { config } = await loadConfig(join(ROOT, "configs/tiny.yaml"), { set: [`data.root=${join(ROOT, "data/fixture")}`] });
  const experiment = await openExperiment(config);
  const stage = config.stages.find(({ name }) => name === STAGE);
  invariant(stage !== undefined, () => `configs/tiny.yaml has no stage ${STAGE}`);
  const samples = encodeSamples(samplesOf(experiment, "train", tasksOf(config, [stage])), { ...experiment.encoding, supervise: "answers" });
  const input = {
    stage: STAGE,
    seed: config.seed,
    samples: samples.map(outlineOf),
    mixture: resolveMixture(STAGE, { mixture: stage.mixture, levels: config.levels }),
    budget: { ...stage.budget, ...STEP },
  };
  return { experiment, stage, input, samples, batchSpec: { encode: finder(samples), featureRows: featureRows(experiment.encoding.mediaTokens) } };
}

/** Steps of a model with random weights; pictures and sounds are noise. */
export function prepareTiny({ model, clipSpec, config }: Experiment, { trainable }: StageConfig, { schedule, batchSpec }: Pick<Training, "schedule" | "batchSpec">): Repetition {
  const params = new ParamStore();
  initRandom(model.config, config.seed, params);
  const clips = noiseClips(clipsOf(schedule), clipSpec);
  return trainSteps({
    params,
    config: model.config,
    schedule,
    batchSpec,
    media: (batch) => batchMedia(batch, clips, clipSpec),
    learningRates: trainableParameters(trainable, params.names(), "bench"),
  });
}

function clipsOf(schedule: StageSchedule): string[] {
  const samples = schedule.epochs.flatMap((_, epoch) => epochTrees(schedule, epoch).flat(2));
  return [...new Set(samples.flatMap(({ clips }) => clips.map(({ clip }) => clip)))];
}

function noiseClips(ids: readonly string[], { frames, imageSize, melBins, melFrames }: ClipSpec): Map<string, Clip> {
  const draw = rng("bench clips");
  const clip = (): Clip => ({
    pixels: Uint8Array.from({ length: frames * imageSize ** 2 * 3 }, () => draw.integer(256)),
    mel: Float32Array.from({ length: melBins * melFrames }, () => 2 * draw.uniform() - 1),
  });
  return new Map(ids.map((id) => [id, clip()]));
}

/** @file train-tiny: a step of the demo's second stage on the fixture's samples, towers included; pictures and sounds are noise. */
import { join } from "node:path";
import { type Experiment, openExperiment, samplesOf } from "../../../src/app/experiment.ts";
import { tasksOf } from "../../../src/app/prepare-stage.ts";
import { loadConfig, type StageConfig } from "../../../src/config/index.ts";
import { invariant } from "../../../src/core/errors.ts";
import { rng } from "../../../src/core/rng.ts";
import { type Batch, featureRows } from "../../../src/curriculum/batch.ts";
import { batchMedia } from "../../../src/curriculum/batch-media.ts";
import { resolveMixture } from "../../../src/curriculum/mixture.ts";
import { scheduleStage, type StageSchedule } from "../../../src/curriculum/schedule.ts";
import type { Clip, ClipSpec } from "../../../src/media/clip.ts";
import { initRandom } from "../../../src/model/init.ts";
import { ParamStore } from "../../../src/model/params.ts";
import { encodeSamples } from "../../../src/text/encode.ts";
import { trainableParameters } from "../../../src/train/trainable.ts";
import type { BenchCase } from "../bench-case.ts";
import { fullStepFlops } from "../../../src/model/flops.ts";
import type { Repetition } from "../measure.ts";
import { firstBatch, sameStepAgain, tokenCounts, trainSteps, trainTask } from "./train-steps.ts";

const ROOT = join(import.meta.dirname, "../../..");
const STAGE = "reason-finetuning";
/** Fixed here, so that times stay comparable when the experiment's own budget changes. */
const STEP = { rowTokens: 512, rowsPerBatch: 3, accumulation: 1 };

/** The step over the first rows of the stage, in which conversations and clips share their prefixes. */
export async function tinyStep(): Promise<BenchCase> {
  const { config } = await loadConfig(join(ROOT, "configs/tiny.yaml"), { set: [`data.root=${join(ROOT, "data/fixture")}`] });
  const experiment = await openExperiment(config);
  const stage = config.stages.find(({ name }) => name === STAGE);
  invariant(stage !== undefined, () => `configs/tiny.yaml has no stage ${STAGE}`);
  const schedule = stageSchedule(experiment, stage);
  const batch = firstBatch(schedule, featureRows(experiment.encoding.mediaTokens));
  const model = experiment.model.config;
  return {
    tokens: batch.usedTokens,
    flops: fullStepFlops(model, tokenCounts(batch), { frames: batch.videoClips.length * config.data.frames, sounds: batch.audioClips.length }),
    peer: trainTask(model, batch, { rank: null, framesPerClip: config.data.frames }),
    prepare: () => prepare(experiment, stage, { schedule, batch }),
  };
}

function stageSchedule({ config, dataset, encoding }: Experiment, { name, mixture, budget }: StageConfig): StageSchedule {
  const samples = samplesOf({ config, dataset }, "train", tasksOf(config.stages.filter((stage) => stage.name === name)));
  return sameStepAgain(
    scheduleStage({
      stage: name,
      seed: config.seed,
      samples: encodeSamples(samples, { ...encoding, withAnswer: true }),
      mixture: resolveMixture(name, { mixture, levels: config.levels }),
      budget: { ...budget, ...STEP },
    }),
  );
}

function prepare({ model, encoding, clipSpec, config }: Experiment, { trainable }: StageConfig, { schedule, batch }: { schedule: StageSchedule; batch: Batch }): Repetition {
  const params = new ParamStore();
  initRandom(model.config, config.seed, params);
  const clips = noiseClips([...batch.videoClips, ...batch.audioClips], clipSpec);
  return trainSteps({
    params,
    config: model.config,
    schedule,
    featureRows: featureRows(encoding.mediaTokens),
    media: (own) => batchMedia(own, clips, clipSpec),
    learningRates: trainableParameters(trainable, params.names(), "bench"),
  });
}

function noiseClips(ids: readonly string[], { frames, imageSize, melBins, melFrames }: ClipSpec): Map<string, Clip> {
  const draw = rng("bench clips");
  const clip = (): Clip => ({
    pixels: Uint8Array.from({ length: frames * imageSize ** 2 * 3 }, () => draw.integer(256)),
    mel: Float32Array.from({ length: melBins * melFrames }, () => 2 * draw.uniform() - 1),
  });
  return new Map(ids.map((id) => [id, clip()]));
}

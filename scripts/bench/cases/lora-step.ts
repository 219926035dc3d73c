/** @file train-128, train-512, train-2048, train-2048-checkpointed: a LoRA step on a frozen decoder of Qwen2-0.5B's size, one sample in one row. */
import type { Kept } from "../../../src/backend/blocks.ts";
import { hostMemory } from "../../../src/backend/device-limits.ts";
import { outlineOf } from "../../../src/curriculum/outline.ts";
import { scheduleStage } from "../../../src/curriculum/schedule.ts";
import type { Batch } from "../../../src/curriculum/batch.ts";
import { addLora } from "../../../src/model/lora.ts";
import { rng } from "../../../src/core/rng.ts";
import type { ParamStore } from "../../../src/model/params.ts";
import { type EncodedSegment, IGNORE_INDEX } from "../../../src/text/encoded-sample.ts";
import { trainableParameters } from "../../../src/train/trainable.ts";
import { isOnGpu } from "../backend.ts";
import type { BenchCase } from "../bench-case.ts";
import { loraStepFlops } from "../../../src/model/flops.ts";
import type { Repetition } from "../measure.ts";
import { cheapWeights } from "./cheap-weights.ts";
import { INTERNVL2_1B } from "./internvl2-1b.ts";
import { firstBatch, sameStepAgain, tokenCounts, type Training, trainSteps, trainTask } from "./train-steps.ts";

const RANK = 8;
/** Length of an answer; only these positions reach the vocabulary. */
const SUPERVISED = 32;
/** Longer rows keep every intermediate value where the machine has the memory (2,048 tokens: 10 GB), else they train with gradient checkpointing. */
const SHORT = 1024;
const MEMORY_FOR_LONG = 14e9;
const NO_MEDIA = { videoTokens: 0, audioTokens: 0 };

/** The step over one row of `tokens` tokens, the last 32 of them an answer. */
export function loraStep(tokens: number): BenchCase {
  const training = oneSample(tokens);
  const batch = firstBatch(training.schedule, training.batchSpec);
  return {
    tokens,
    flops: loraStepFlops(INTERNVL2_1B.llm_config, tokenCounts(batch), RANK),
    peer: trainTask(INTERNVL2_1B, batch, { rank: RANK, framesPerClip: 0 }),
    prepare: () => prepare(training, tokens <= SHORT || isOnGpu() || hostMemory().bytes >= MEMORY_FOR_LONG ? "intermediates" : "inputs"),
  };
}

/** The same step with gradient checkpointing, for its memory; without a peer. */
export function checkpointedLoraStep(tokens: number): BenchCase {
  return { ...loraStep(tokens), peer: null, prepare: () => prepare(oneSample(tokens), "inputs") };
}

function prepare(training: Pick<Training, "schedule" | "batchSpec">, kept: Kept): Repetition {
  return trainSteps({ ...adaptedDecoder(), config: INTERNVL2_1B, ...training, media: () => ({}), kept });
}

/** The decoder with its adapters, which are all that is trained. */
export function adaptedDecoder(): { readonly params: ParamStore; readonly learningRates: ReadonlyMap<string, number> } {
  const params = cheapWeights(INTERNVL2_1B, "language_model.");
  addLora(params, { rank: RANK, alpha: 4 * RANK, targets: "language_model\\..*_proj" }, 1);
  return { params, learningRates: trainableParameters([{ match: "lora_", learningRate: 1e-4 }], params.names(), "bench") };
}

/** The batch of the step over `tokens` tokens. */
export function loraBatch(tokens: number): Batch {
  const { schedule, batchSpec } = oneSample(tokens);
  return firstBatch(schedule, batchSpec);
}

function oneSample(tokens: number): Pick<Training, "schedule" | "batchSpec"> {
  const draw = rng(1, "bench", tokens);
  const ids = Int32Array.from({ length: tokens }, () => draw.integer(INTERNVL2_1B.llm_config.vocab_size));
  const prefix = segment(ids.subarray(0, tokens - SUPERVISED), "prompt");
  const branch = segment(ids.subarray(tokens - SUPERVISED), "answer");
  const sample = { id: "bench", task: "eri", unit: "bench", prefixKey: "bench", prefix, branch, answerTokens: SUPERVISED } as const;
  const budget = { epochs: 1, rowTokens: tokens, rowsPerBatch: 1, accumulation: 1 };
  const schedule = sameStepAgain(scheduleStage({ stage: "bench", seed: 1, samples: [outlineOf(sample)], mixture: { eri: 1 }, budget }));
  return { schedule, batchSpec: { encode: () => [sample], featureRows: NO_MEDIA } };
}

function segment(inputIds: Int32Array, kind: "prompt" | "answer"): EncodedSegment {
  return { inputIds, labels: kind === "answer" ? inputIds.slice() : new Int32Array(inputIds.length).fill(IGNORE_INDEX), slots: [] };
}

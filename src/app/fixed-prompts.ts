/** @file A few fixed prompts with a picture and, where the model hears, a sound, and the logits that a model gives them: two models are one if these agree. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { readFloats } from "../backend/host-memory.ts";
import { rng } from "../core/rng.ts";
import { imageSize, type ModelConfig } from "../model/config.ts";
import { audioFeatures, embedBatch, hiddenStates, logitsAt, visualFeatures } from "../model/emoverse.ts";
import { type Params, sizeOfShape } from "../model/params.ts";
import type { Tokenizer } from "../text/tokenizer.ts";

const TEXTS = ["The speaker looks down and says quietly: I never wanted this to happen.", "What does she feel, and why? Answer with one word."];
/** Positions at the end of each prompt whose logits are compared. */
const POSITIONS = 8;

export interface LogitDifference {
  /** Largest difference. */
  readonly difference: number;
  /** Largest logit of the first model, in magnitude. */
  readonly largest: number;
}

/** Logits of the last positions of every prompt, [8 V] each. */
export async function promptLogits(params: Params, config: ModelConfig, tokenizer: Pick<Tokenizer, "encode" | "startIds">): Promise<Float32Array[]> {
  const logits = tf.tidy(() => {
    const features = featuresOf(params, config);
    const mediaRows = [features.visual, features.audio].reduce((sum, rows) => sum + (rows?.shape[0] ?? 0), 0);
    return TEXTS.map((text) => logitsOf({ params, config, features, mediaRows }, tokenizer.startIds, tokenizer.encode(text, "control")));
  });
  const values: Float32Array[] = [];
  for (const tensor of logits) values.push((await readFloats(tensor)).slice());
  tf.dispose(logits);
  return values;
}

/** How far two models' logits are apart; NaN counts as infinitely far. */
export function logitDifference(expected: readonly Float32Array[], actual: readonly Float32Array[]): LogitDifference {
  let [difference, largest] = [0, 0];
  for (const [i, prompt] of expected.entries()) {
    for (const [j, value] of prompt.entries()) {
      const distance = Math.abs(value - (actual[i]?.[j] ?? Number.NaN));
      difference = Math.max(difference, Number.isNaN(distance) ? Infinity : distance);
      largest = Math.max(largest, Math.abs(value));
    }
  }
  return { difference, largest };
}

type MediaFeatures = Parameters<typeof embedBatch>[3];

/** Of noise: what a picture shows does not matter here. */
function featuresOf(params: Params, config: ModelConfig): MediaFeatures {
  const { audio_config: audio, vision_config: vision } = config;
  const size = imageSize(config);
  const visual = visualFeatures(params, config, noise("picture", [1, size, size, vision.num_channels]));
  return audio === undefined ? { visual } : { visual, audio: audioFeatures(params, config, noise("sound", [1, audio.num_mel_bins, 2 * audio.max_source_positions])) };
}

interface Asked {
  readonly params: Params;
  readonly config: ModelConfig;
  readonly features: MediaFeatures;
  readonly mediaRows: number;
}

/** The media first, then the text. */
function logitsOf({ params, config, features, mediaRows }: Asked, startIds: readonly number[], text: Int32Array): Tensor {
  const start = startIds.length;
  const length = start + mediaRows + text.length;
  const inputIds = Int32Array.from({ length }, (_, i) => startIds[i] ?? text[i - start - mediaRows] ?? 0);
  const featureIndex = Int32Array.from({ length }, (_, i) => (i >= start && i < start + mediaRows ? i - start : -1));
  const embeds_BSD = embedBatch(params, config, { batchSize: 1, length, inputIds, featureIndex }, features);
  const bias_BSL = tf.tensor(Float32Array.from({ length: length * length }, (_, at) => (at % length <= Math.floor(at / length) ? 0 : -1e9)), [1, length, length]);
  const hidden = hiddenStates(params, config, { embeds_BSD, positionIds: Int32Array.from(inputIds.keys()), bias_BSL });
  return logitsAt(params, config, hidden, Int32Array.from({ length: POSITIONS }, (_, i) => length - POSITIONS + i));
}

function noise(key: string, shape: readonly number[]): Tensor {
  const stream = rng("fixed prompts", key);
  const values = Float32Array.from({ length: sizeOfShape(shape) }, () => 2 * stream.uniform() - 1);
  return tf.tensor(values, [...shape], "float32");
}

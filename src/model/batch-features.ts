/** @file Tower outputs for the clips of a batch. Clip counts above one are padded to even numbers, so that few shapes are compiled. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { BatchMedia, ClipArray } from "../curriculum/batch-media.ts";
import { audioFeatures, type Features, visualFeatures } from "./emoverse.ts";
import type { ModelConfig } from "./config.ts";
import type { Params } from "./params.ts";

/** Clip counts are rounded up to a multiple of this, but for a single clip: a row of a large model holds no more, and its tower would run twice. */
const CLIP_MULTIPLE = 2;

/** [clips * tokens, D] for each kind of input that the batch has. */
export function batchFeatures(params: Params, config: ModelConfig, { pixels, mel }: BatchMedia): Features {
  return {
    ...(pixels === undefined ? {} : { visual: padded(pixels, (clips) => visualFeatures(params, config, tf.reshape(clips, [-1, ...clips.shape.slice(2)]))) }),
    ...(mel === undefined ? {} : { audio: padded(mel, (clips) => audioFeatures(params, config, clips)) }),
  };
}

function padded({ values, shape: [clips = 0, ...rest] }: ClipArray, features: (clips: Tensor) => Tensor): Tensor {
  return tf.tidy(() => {
    const rounded = clips === 1 ? 1 : Math.ceil(clips / CLIP_MULTIPLE) * CLIP_MULTIPLE;
    const filled = rounded === clips ? values : withZeros(values, (values.length / clips) * rounded);
    const rows = features(tf.tensor(filled, [rounded, ...rest], "float32"));
    const [count = 0, width = 0] = rows.shape;
    return rounded === clips ? rows : tf.slice(rows, [0, 0], [(count / rounded) * clips, width]);
  });
}

function withZeros(values: Float32Array, length: number): Float32Array {
  const filled = new Float32Array(length);
  filled.set(values);
  return filled;
}

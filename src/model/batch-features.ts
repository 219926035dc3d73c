/** @file Tower outputs for the clips of a batch. Clip counts above one are padded to even numbers, so that few shapes are compiled. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { BatchMedia, ClipArray } from "../curriculum/batch-media.ts";
import { audioFeatures, type Features, projectedPatches, projectedSounds, visualFeatures } from "./emoverse.ts";
import type { ModelConfig } from "./config.ts";
import type { Params } from "./params.ts";

/** Clip counts are rounded up to a multiple of this, but for a single clip: a row of a large model holds no more, and its tower would run twice. */
const CLIP_MULTIPLE = 2;

/** [clips * tokens, D] for each kind of input that the batch has. */
export function batchFeatures(params: Params, config: ModelConfig, media: BatchMedia): Features {
  const visual = visualRows(params, config, media);
  const audio = audioRows(params, config, media);
  return { ...(visual === undefined ? {} : { visual }), ...(audio === undefined ? {} : { audio }) };
}

function visualRows(params: Params, config: ModelConfig, { pixels, patchStates }: BatchMedia): Tensor | undefined {
  if (patchStates !== undefined) return padded(patchStates, (clips) => projectedPatches(params, config, frameByFrame(clips)));
  return pixels && padded(pixels, (clips) => visualFeatures(params, config, frameByFrame(clips)));
}

function audioRows(params: Params, config: ModelConfig, { mel, soundStates }: BatchMedia): Tensor | undefined {
  if (soundStates !== undefined) return padded(soundStates, (clips) => projectedSounds(params, config, clips));
  return mel && padded(mel, (clips) => audioFeatures(params, config, clips));
}

/** [clips, F, ...] as [clips * F, ...]. */
function frameByFrame(clips: Tensor): Tensor {
  return tf.reshape(clips, [-1, ...clips.shape.slice(2)]);
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

/**
 * @file Whisper's encoder: two convolutions over time, stored positions, pre-norm layers, a final norm.
 * `params` are those under `encoder`. Shapes: A sounds, M mel bins, F = 2 T frames, T encoder positions, D width.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { invariant } from "../core/errors.ts";
import { gelu } from "./activation.ts";
import { attendRows } from "./attention.ts";
import type { AudioConfig } from "./config.ts";
import { runLayer } from "./layer.ts";
import { linear, linears } from "./linear.ts";
import { geluMlp } from "./mlp.ts";
import { DEFAULT_NORM_EPS, norm, type NormSpec } from "./norm.ts";
import type { Params } from "./params.ts";

const NORM: NormSpec = { kind: "layer_norm", eps: DEFAULT_NORM_EPS };
const KERNEL = 3;

/** The encoder's output [A, T, D] of log-mel features [A, M, F], final norm included. */
export function encodeSounds(params: Params, config: AudioConfig, mel_AMF: Tensor): Tensor {
  let x_ATD = embedSounds(params, config, mel_AMF);
  for (let index = 0; index < config.encoder_layers; index++) x_ATD = audioLayer(params.scope(`layers.${index}`), config, x_ATD);
  return runLayer({ name: "audio-norm", params, inputs: { x: x_ATD }, fn: (weights, { x }) => [norm(weights, "layer_norm", x, NORM)] });
}

/** Both convolutions with their GELUs, plus positions: what enters the first layer, [A, T, D]. */
export function embedSounds(params: Params, config: AudioConfig, mel_AMF: Tensor): Tensor {
  const frames = 2 * config.max_source_positions;
  invariant(mel_AMF.shape[2] === frames, () => `log-mel with ${mel_AMF.shape[2]} frames, the encoder takes exactly ${frames}`);
  return runLayer({
    name: "audio-embed",
    params,
    inputs: { x: mel_AMF },
    fn: (weights, { x }) => {
      const everyFrame = gelu(convolve(weights, "conv1", tf.transpose(x, [0, 2, 1]), 1));
      return [tf.add(gelu(convolve(weights, "conv2", everyFrame, 2)), weights.get("embed_positions.weight"))];
    },
  });
}

/** 1-D convolution of [A, F, C] over F, kernel 3, padding 1, as one product of the windows with the kernel. */
function convolve(params: Params, name: string, x: Tensor, stride: 1 | 2): Tensor {
  const kernel = params.get(`${name}.weight`); // [out, in, KERNEL]
  const [out = 0, channels = 0] = kernel.shape;
  const windows = stride === 1 ? slidingWindows(x) : everySecondWindow(x);
  const flatKernel = tf.reshape(tf.transpose(kernel, [0, 2, 1]), [out, KERNEL * channels]);
  const [sounds = 0, positions = 0] = windows.shape;
  const product = tf.matMul(tf.reshape(windows, [sounds * positions, KERNEL * channels]), flatKernel, false, true);
  return tf.reshape(tf.add(product, params.get(`${name}.bias`)), [sounds, positions, out]);
}

/** [A, F, 3 C]: each frame with its neighbours, (time, channel) order. */
function slidingWindows(x: Tensor): Tensor {
  const [sounds = 0, frames = 0, channels = 0] = x.shape;
  const padded = tf.pad(x, [[0, 0], [1, 1], [0, 0]]);
  return tf.concat([0, 1, 2].map((shift) => tf.slice(padded, [0, shift, 0], [sounds, frames, channels])), 2);
}

/** [A, F / 2, 3 C]: the windows around frames 0, 2, 4, ...; two frames a row make the stride a plain slice. */
function everySecondWindow(x: Tensor): Tensor {
  const [sounds = 0, frames = 0, channels = 0] = x.shape;
  const padded = tf.pad(x, [[0, 0], [1, 1], [0, 0]]);
  const pairs = tf.reshape(padded, [sounds, frames / 2 + 1, 2 * channels]);
  const firstTwo = tf.slice(pairs, [0, 0, 0], [sounds, frames / 2, 2 * channels]);
  const third = tf.slice(pairs, [0, 1, 0], [sounds, frames / 2, channels]);
  return tf.concat([firstTwo, third], 2);
}

/** One layer, [A, T, D] to [A, T, D]; `params` are the layer's. */
export function audioLayer(params: Params, config: AudioConfig, x_ATD: Tensor): Tensor {
  const numHeads = config.encoder_attention_heads;
  return runLayer({
    name: `audio-layer/h${numHeads}`,
    params,
    inputs: { x: x_ATD },
    fn: (weights, { x }) => {
      const [sounds = 0, positions = 0, width = 0] = x.shape;
      const rows = tf.reshape(x, [sounds * positions, width]);
      const normed = norm(weights, "self_attn_layer_norm", rows, NORM);
      const between = tf.add(rows, selfAttention(weights.scope("self_attn"), normed, { batchSize: sounds, numHeads }));
      const fed = geluMlp(weights, norm(weights, "final_layer_norm", between, NORM));
      return [tf.reshape(tf.add(between, fed), [sounds, positions, width])];
    },
  });
}

function selfAttention(params: Params, x: Tensor, shape: { batchSize: number; numHeads: number }): Tensor {
  const [query, key, value] = linears(params, ["q_proj", "k_proj", "v_proj"], x);
  return linear(params, "out_proj", attendRows({ query, key, value }, shape));
}

/**
 * @file EmoVerse: vision tower, audio tower, their projectors and the decoder under the names of an InternVL2 checkpoint.
 * `params` are the whole model's. Every function gives its result away and borrows the rest; call them inside tf.tidy.
 * Shapes: I frames, P tokens per frame, A sounds, B batch row, S sequence, D decoder width, M selected positions, V vocabulary.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { invariant } from "../core/errors.ts";
import type { Batch } from "../curriculum/batch.ts";
import { encodeSounds } from "./audio.ts";
import type { AudioConfig, ModelConfig } from "./config.ts";
import { untaped } from "./custom-grad.ts";
import { decode, type DecoderInputs } from "./decoder.ts";
import { decoderLayout } from "./decoder-layout.ts";
import { runLayer } from "./layer.ts";
import { linear } from "./linear.ts";
import type { Params } from "./params.ts";
import { pixelShuffle, type PixelShuffleOptions, project, stackFrames } from "./projector.ts";
import { gatherRows } from "./rows.ts";
import { encodeImages, layersUpTo, patchGrid } from "./vision.ts";

/** Names of the model's parts in a checkpoint. The audio parts are ours. */
export const PARTS = { vision: "vision_model", visionProjector: "mlp1", audio: "audio_model.encoder", audioProjector: "audio_mlp", decoder: "language_model" } as const;

/** Decoder tokens [I * P, D] of normalised frames [I, Y, X, C], frame after frame. */
export function visualFeatures(params: Params, config: ModelConfig, pixels_IYXC: Tensor): Tensor {
  return tf.tidy(() => {
    const encode = (): Tensor => encodeFrames(params, config, pixels_IYXC);
    const project = (hidden: Tensor): Tensor => projectImages(params, config, { hidden, grid: patchGrid(pixels_IYXC, config.vision_config) });
    return tapedWhereTrained(params, [PARTS.vision, PARTS.visionProjector], () => project(tapedWhereTrained(params, [PARTS.vision], encode)));
  });
}

function encodeFrames(params: Params, { vision_config: vision, select_layer: selectLayer }: ModelConfig, pixels_IYXC: Tensor): Tensor {
  return encodeImages(params.scope(PARTS.vision), vision, pixels_IYXC, layersUpTo(selectLayer, vision));
}

function projectImages(params: Params, config: ModelConfig, { hidden, grid }: { hidden: Tensor; grid: [number, number] }): Tensor {
  const shuffle = shuffleOptions(config, grid);
  return runLayer({
    name: `vision-projector/${grid.join("x")}/side${shuffle.side}/${shuffle.version}`,
    params: params.scope(PARTS.visionProjector),
    inputs: { x: hidden },
    fn: (weights, { x }) => [project(weights, pixelShuffle(withoutClassToken(x), shuffle))],
  });
}

function shuffleOptions(config: ModelConfig, grid: [number, number]): PixelShuffleOptions {
  return { grid, side: Math.round(1 / config.downsample_ratio), version: config.ps_version };
}

function withoutClassToken(hidden: Tensor): Tensor {
  const [images = 0, tokens = 0, width = 0] = hidden.shape;
  return tf.slice(hidden, [0, 1, 0], [images, tokens - 1, width]);
}

/** The vision tower's patch states [I, T, D] of normalised frames [I, Y, X, C], as constants: what `projectedPatches` takes. */
export function patchStates(params: Params, config: ModelConfig, pixels_IYXC: Tensor): Tensor {
  return tf.tidy(() => untaped(() => withoutClassToken(encodeFrames(params, config, pixels_IYXC))));
}

/** Decoder tokens [I * P, D] of patch states [I, T, D] of square frames. */
export function projectedPatches(params: Params, config: ModelConfig, states_ITD: Tensor): Tensor {
  const side = Math.round(Math.sqrt(states_ITD.shape[1] ?? 0));
  const shuffle = shuffleOptions(config, [side, side]);
  return tapedWhereTrained(params, [PARTS.visionProjector], () =>
    runLayer({
      name: `patch-projector/${side}x${side}/side${shuffle.side}/${shuffle.version}`,
      params: params.scope(PARTS.visionProjector),
      inputs: { x: states_ITD },
      fn: (weights, { x }) => [project(weights, pixelShuffle(x, shuffle))],
    }),
  );
}

/** Decoder tokens [A * tokens, D] of log-mel features [A, bins, frames], sound after sound. */
export function audioFeatures(params: Params, config: ModelConfig, mel: Tensor): Tensor {
  const encode = (): Tensor => encodeSounds(params.scope(PARTS.audio), audioConfig(config), mel);
  return tf.tidy(() => tapedWhereTrained(params, [PARTS.audio, PARTS.audioProjector], () => projectSounds(params, config, tapedWhereTrained(params, [PARTS.audio], encode))));
}

/** The audio tower's states [A, T, D] of log-mel features [A, bins, frames], as constants: what `projectedSounds` takes. */
export function soundStates(params: Params, config: ModelConfig, mel: Tensor): Tensor {
  return tf.tidy(() => untaped(() => encodeSounds(params.scope(PARTS.audio), audioConfig(config), mel)));
}

/** Decoder tokens [A * tokens, D] of the audio tower's states [A, T, D]. */
export function projectedSounds(params: Params, config: ModelConfig, states_ATD: Tensor): Tensor {
  return tapedWhereTrained(params, [PARTS.audioProjector], () => projectSounds(params, config, states_ATD));
}

function projectSounds(params: Params, config: ModelConfig, states_ATD: Tensor): Tensor {
  const { frame_stack: stack } = audioConfig(config);
  return runLayer({
    name: `audio-projector/stack${stack}`,
    params: params.scope(PARTS.audioProjector),
    inputs: { x: states_ATD },
    fn: (weights, { x }) => [project(weights, stackFrames(x, stack))],
  });
}

/** The result of `body`, which reads media and these parts alone; if none of them is trained, nothing is kept for a backward pass. */
function tapedWhereTrained(params: Params, parts: readonly string[], body: () => Tensor): Tensor {
  return parts.some((part) => params.trainsWithin(part)) ? body() : untaped(body);
}

function audioConfig(config: ModelConfig): AudioConfig {
  invariant(config.audio_config !== undefined, () => "sound for a model without audio_config");
  return config.audio_config;
}

/** Features of a batch's clips, in the order of its videoClips and audioClips; absent when it has none. */
export interface Features {
  /** [videoClips * videoTokens, D] */
  readonly visual?: Tensor;
  /** [audioClips * audioTokens, D] */
  readonly audio?: Tensor;
}

/**
 * Input embeddings [B, S, D]: of the token itself, or the row of the feature table [visual; audio] that takes its place.
 * Only tokens that are read are looked up, so a table of a gigabyte is neither copied nor joined to the features.
 */
export function embedBatch(
  params: Params,
  config: ModelConfig,
  batch: Pick<Batch, "batchSize" | "length" | "inputIds" | "featureIndex">,
  features: Features,
): Tensor {
  return tf.tidy(() => {
    const { featureIndex, inputIds } = batch;
    const table = params.scope(PARTS.decoder).get(`${decoderLayout(config.llm_config).embedding}.weight`);
    const isText = (_: number, position: number): boolean => (featureIndex[position] ?? -1) < 0;
    const textIds = inputIds.filter(isText);
    const parts = [...(textIds.length > 0 ? [gatherRows(table, textIds)] : []), ...featureRows(features)];
    const rows = parts.length === 1 && textIds.length === inputIds.length ? parts[0] : gatherRows(tf.concat(parts, 0), partRows(featureIndex, textIds.length));
    invariant(rows !== undefined, () => "a batch without tokens");
    return tf.reshape(rows, [batch.batchSize, batch.length, table.shape[1] ?? 0]);
  });
}

function featureRows({ visual, audio }: Features): Tensor[] {
  return [visual, audio].filter((rows) => rows !== undefined);
}

/** Row of [text tokens; features] that each position shows. */
function partRows(featureIndex: Int32Array, textTokens: number): Int32Array {
  let nextText = 0;
  return featureIndex.map((feature) => (feature < 0 ? nextText++ : textTokens + feature));
}

/** Decoder states [B * S, D] after the final norm. */
export function hiddenStates(params: Params, config: ModelConfig, inputs: DecoderInputs): Tensor {
  return tf.tidy(() => {
    const hidden = decode(params.scope(PARTS.decoder), config.llm_config, inputs);
    const [batchSize = 0, length = 0, width = 0] = hidden.shape;
    return tf.reshape(hidden, [batchSize * length, width]);
  });
}

/**
 * Logits [M, V] at the given rows of the states [B * S, D]. Rows are taken before the projection: a vocabulary is large.
 * A checkpoint without its own head uses the embeddings.
 */
export function logitsAt(params: Params, config: ModelConfig, hidden: Tensor, positions: Int32Array): Tensor {
  return tf.tidy(() => {
    const decoder = params.scope(PARTS.decoder);
    const { head, embedding } = decoderLayout(config.llm_config);
    return linear(decoder, decoder.has(`${head}.weight`) ? head : embedding, gatherRows(hidden, positions));
  });
}

/**
 * @file What a tower that is not trained makes of one clip. Clips are encoded one at a time, so that a clip's states are a
 * function of the clip alone: in a batch of another size the last bits may differ.
 */
import { createHash } from "node:crypto";
import * as tf from "@tensorflow/tfjs-core";
import { readFloats } from "../backend/host-memory.ts";
import { imageSize, type ModelConfig } from "./config.ts";
import { PARTS, patchStates, soundStates } from "./emoverse.ts";
import type { ParamStore } from "./params.ts";

/** The input that a tower encodes. */
export const TOWERS = ["video", "audio"] as const;
export type Tower = (typeof TOWERS)[number];

/** Prefix of a tower's parameters. */
export const TOWER_PARTS = { video: PARTS.vision, audio: PARTS.audio } as const satisfies Record<Tower, string>;

/** To be raised with every change of the numbers that a tower gives. */
const STATES_VERSION = 1;

/** The towers of a model in which none of the named parameters lies. */
export function frozenTowers({ audio_config: audio }: ModelConfig, trained: Iterable<string>): Tower[] {
  const names = [...trained];
  return TOWERS.filter((tower) => (tower === "video" || audio !== undefined) && !names.some((name) => name.startsWith(`${TOWER_PARTS[tower]}.`)));
}

/** Hash of all that decides a tower's states of a clip but for the clip and the arithmetic: its weights and its config. */
export async function towerHash(params: ParamStore, config: ModelConfig, tower: Tower): Promise<string> {
  const { vision_config: vision, audio_config: audio, select_layer: layer } = config;
  const hash = createHash("sha256").update(JSON.stringify({ version: STATES_VERSION, ...(tower === "video" ? { vision, layer } : { audio }) }));
  for (const name of params.names().filter((own) => own.startsWith(`${TOWER_PARTS[tower]}.`)).sort()) {
    const values = await params.read(name);
    // A weight that is kept in 8 bits is widened on the way, which rounds otherwise than one that was rounded before.
    hash.update(JSON.stringify([name, params.shapeOf(name), params.packed(name) === undefined ? "float32" : "int8"])).update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest("hex");
}

/** Of one clip: video [F, T, D] without the class token, audio [T, D]. */
export function statesShape(config: ModelConfig, tower: Tower, frames: number): number[] {
  if (tower === "video") return [frames, (imageSize(config) / config.vision_config.patch_size) ** 2, config.vision_config.hidden_size];
  return [config.audio_config?.max_source_positions ?? 0, config.audio_config?.d_model ?? 0];
}

/** Patch states [F, T, D] of normalised frames [F, Y, X, C], in memory of the caller's own. */
export async function encodeClipFrames(params: ParamStore, config: ModelConfig, pixels: Float32Array): Promise<Float32Array> {
  const side = imageSize(config);
  return ownNumbers(tf.tidy(() => patchStates(params, config, tf.tensor4d(pixels, [pixels.length / (3 * side * side), side, side, 3]))));
}

/** States [T, D] of log-mel features [bins, frames], in memory of the caller's own. */
export async function encodeClipSound(params: ParamStore, config: ModelConfig, mel: Float32Array): Promise<Float32Array> {
  const bins = config.audio_config?.num_mel_bins ?? 0;
  return ownNumbers(tf.tidy(() => soundStates(params, config, tf.tensor3d(mel, [1, bins, mel.length / bins]))));
}

async function ownNumbers(states: tf.Tensor): Promise<Float32Array> {
  try {
    return (await readFloats(states)).slice();
  } finally {
    states.dispose();
  }
}

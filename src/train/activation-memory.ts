/**
 * @file How many numbers a training step holds besides weights, gradients and moments, by arithmetic from the model's
 * sizes. The counts are those of the layers as they are written; a test holds them against what compiled blocks keep.
 * Shapes: T positions of all rows or clips together, D width, F inner width, N heads, H head size.
 */
import type { Kept } from "../backend/blocks.ts";
import { imageSize, type LlmConfig, type ModelConfig, type VisionConfig } from "../model/config.ts";
import { PARTS } from "../model/emoverse.ts";

/** The largest batch of a stage. */
export interface BatchSizes {
  readonly rows: number;
  /** Positions of a row, padding included. */
  readonly length: number;
  /** Positions that reach the vocabulary. */
  readonly supervised: number;
  readonly frames: number;
  readonly sounds: number;
}

/** Numbers held at once while a batch goes forward and backward. */
export function activationNumbers(config: ModelConfig, batch: BatchSizes, { kept, trains }: { kept: Kept; trains: (part: string) => boolean }): number {
  const { llm_config: llm, vision_config: vision, audio_config: audio } = config;
  const frames = stackNumbers(visionStack(vision, batch.frames, imageSize(config)), kept, trains(PARTS.vision) ? "trained" : "frozen");
  const sounds = audio === undefined ? NOTHING : stackNumbers(audioStack(audio, batch.sounds), kept, trains(PARTS.audio) ? "trained" : "frozen");
  const text = stackNumbers(decoderStack(llm, batch), kept, "trained");
  const workspace = Math.max(frames.workspace, sounds.workspace, text.workspace);
  return workspace + frames.kept + sounds.kept + text.kept + vocabularyNumbers(llm, batch) + inputNumbers(config, batch);
}

/** A stack of equal layers over T positions. */
interface Stack {
  readonly layers: number;
  /** T D: what goes from one layer to the next. */
  readonly state: number;
  /** What a layer keeps for its backward pass, its input included. */
  readonly layer: number;
  /** What a layer's backward pass needs at once besides. */
  readonly backward: number;
  /** What its forward pass needs at once when nothing is kept. */
  readonly forward: number;
}

interface StackNumbers {
  readonly kept: number;
  /** Of one layer at a time. */
  readonly workspace: number;
}

const NOTHING: StackNumbers = { kept: 0, workspace: 0 };

/** tfjs frees the gradients of the states between layers only when the backward pass is over. */
function stackNumbers({ layers, state, layer, backward, forward }: Stack, kept: Kept, training: "trained" | "frozen"): StackNumbers {
  if (training === "frozen") return { kept: 2 * state, workspace: forward };
  if (kept === "inputs") return { kept: 2 * layers * state, workspace: layer + backward };
  return { kept: layers * (layer + state), workspace: Math.max(backward, forward) };
}

/**
 * Kept: x, both normalised inputs, the attended values before and after the heads are joined, the sum between the halves;
 * rotated queries, keys and values; attention weights; gate, up and their product.
 */
function decoderStack({ num_hidden_layers: layers, hidden_size: width, intermediate_size: inner, num_attention_heads: heads, num_key_value_heads: keyHeads }: LlmConfig, { rows, length }: BatchSizes): Stack {
  const positions = rows * length;
  const scores = heads * positions * length;
  const projected = (width / heads) * (heads + 2 * keyHeads);
  return {
    layers,
    state: positions * width,
    layer: positions * (6 * width + projected + 3 * inner) + scores,
    backward: positions * (2 * width + 5 * inner) + 3 * scores,
    forward: positions * Math.max(3 * width + 3 * inner, 2 * width + projected) + 2 * scores,
  };
}

interface EncoderSizes {
  readonly layers: number;
  readonly width: number;
  readonly inner: number;
  readonly heads: number;
  /** Clips or frames, and positions of each. */
  readonly clips: number;
  readonly length: number;
}

function visionStack(config: VisionConfig, frames: number, size: number): Stack {
  const { num_hidden_layers: layers, hidden_size: width, intermediate_size: inner, num_attention_heads: heads, patch_size: patch } = config;
  return encoderStack({ layers, width, inner, heads, clips: frames, length: 1 + (size / patch) ** 2 });
}

function audioStack({ encoder_layers: layers, d_model: width, encoder_ffn_dim: inner, encoder_attention_heads: heads, max_source_positions: length }: NonNullable<ModelConfig["audio_config"]>, sounds: number): Stack {
  return encoderStack({ layers, width, inner, heads, clips: sounds, length });
}

/** Kept: x, both normalised inputs, queries, keys, values, the attended values before and after the heads are joined, the sum between the halves; attention weights; both sides of the GELU. */
function encoderStack({ layers, width, inner, heads, clips, length }: EncoderSizes): Stack {
  const positions = clips * length;
  const scores = heads * positions * length;
  return {
    layers,
    state: positions * width,
    layer: positions * (9 * width + 2 * inner) + scores,
    backward: positions * (2 * width + 4 * inner) + 3 * scores,
    forward: positions * (3 * width + 2 * inner) + 2 * scores,
  };
}

/** Logits, their logarithms, the labels as unit vectors, the gradient and two steps between. */
function vocabularyNumbers({ vocab_size: vocabulary }: LlmConfig, { supervised }: BatchSizes): number {
  return 6 * supervised * vocabulary;
}

/** Pixels and sound as they come and as tensors; the tree mask. */
function inputNumbers(config: ModelConfig, { rows, length, frames, sounds }: BatchSizes): number {
  const audio = config.audio_config;
  const sound = audio === undefined ? 0 : 2 * audio.max_source_positions * audio.num_mel_bins;
  return 2 * (frames * 3 * imageSize(config) ** 2 + sounds * sound) + 2 * rows * length ** 2;
}

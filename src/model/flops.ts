/**
 * @file Arithmetic that cannot be done without, in floating-point operations; a multiply-add counts as two. What an
 * implementation does besides (masked pairs, recomputed layers, elementwise work) counts for nothing, so it lowers the rate.
 *
 * Counted: products with weights; in training through a frozen weight twice (its own gradient is never needed), through
 * a trained one three times; adapters three times; attention over the visible pairs only, three times; the vocabulary
 * at supervised positions only.
 */
import type { AudioConfig, LlmConfig, ModelConfig, VisionConfig } from "./config.ts";

/** What a row asks of the decoder. */
export interface TokenCounts {
  /** Without padding. */
  readonly tokens: number;
  /** Query-key pairs that see each other, the pair of a token with itself included. */
  readonly pairs: number;
  readonly supervised: number;
}

/** A LoRA step: frozen decoder, adapters of `rank` on all seven projections of every layer. */
export function loraStepFlops(config: LlmConfig, { tokens, pairs, supervised }: TokenCounts, rank: number): number {
  const frozen = 2 * tokens * decoderNumbers(config) + vocabularyFlops(config, supervised);
  const adapters = 2 * tokens * rank * config.num_hidden_layers * sum(projections(config).map(([inputs, outputs]) => inputs + outputs));
  return 2 * frozen + 3 * (adapters + decoderAttentionFlops(config, pairs));
}

/** Clips whose features a step computes. */
export interface MediaCounts {
  readonly frames: number;
  readonly sounds: number;
}

/** A step in which every weight of both towers, the projectors and the decoder is trained. */
export function fullStepFlops(config: ModelConfig, counts: TokenCounts, media: MediaCounts): number {
  return 3 * sum(Object.values(forwardFlops(config, counts, media)));
}

/** One pass forward, part by part; a model without an audio tower hears nothing. */
export interface ForwardFlops {
  /** Products of the layers. */
  readonly decoder: number;
  readonly attention: number;
  readonly vocabulary: number;
  readonly vision: number;
  readonly visionProjector: number;
  readonly audio: number;
  readonly audioProjector: number;
}

export function forwardFlops(config: ModelConfig, { tokens, pairs, supervised }: TokenCounts, { frames, sounds }: MediaCounts): ForwardFlops {
  const { llm_config: llm, audio_config: audio } = config;
  return {
    decoder: 2 * tokens * decoderNumbers(llm),
    attention: decoderAttentionFlops(llm, pairs),
    vocabulary: vocabularyFlops(llm, supervised),
    vision: frames * visionFlops(config.vision_config),
    visionProjector: frames * visionProjectorFlops(config),
    audio: audio === undefined ? 0 : sounds * audioFlops(audio),
    audioProjector: audio === undefined ? 0 : sounds * audioProjectorFlops(audio, llm.hidden_size),
  };
}

/** One token with the given visible positions, itself included, and the choice of the next. */
export function decodeTokenFlops(config: LlmConfig, visible: number): number {
  return 2 * decoderNumbers(config) + vocabularyFlops(config, 1) + decoderAttentionFlops(config, visible);
}

/** One image through the vision tower. */
export function visionFlops({ hidden_size: width, intermediate_size: inner, num_hidden_layers: layers, image_size: size, patch_size: patch, num_channels: channels }: VisionConfig): number {
  const patches = (size / patch) ** 2;
  return 2 * patches * width * channels * patch ** 2 + layers * encoderLayerFlops({ width, inner, tokens: patches + 1 });
}

function audioFlops({ d_model: width, encoder_ffn_dim: inner, encoder_layers: layers, num_mel_bins: bins, max_source_positions: positions }: AudioConfig): number {
  const convolutions = 2 * (2 * positions) * 3 * bins * width + 2 * positions * 3 * width * width;
  return convolutions + layers * encoderLayerFlops({ width, inner, tokens: positions });
}

function encoderLayerFlops({ width, inner, tokens }: { width: number; inner: number; tokens: number }): number {
  return 2 * tokens * (4 * width ** 2 + 2 * width * inner) + 4 * width * tokens ** 2;
}

function visionProjectorFlops({ vision_config: vision, llm_config: llm, downsample_ratio: ratio }: ModelConfig): number {
  const tokens = (vision.image_size / vision.patch_size) ** 2 * ratio ** 2;
  return projectorFlops({ tokens, inputs: vision.hidden_size / ratio ** 2, outputs: llm.hidden_size });
}

function audioProjectorFlops({ max_source_positions: positions, frame_stack: stack, d_model: width }: AudioConfig, outputs: number): number {
  return projectorFlops({ tokens: Math.ceil(positions / stack), inputs: stack * width, outputs });
}

function projectorFlops({ tokens, inputs, outputs }: { tokens: number; inputs: number; outputs: number }): number {
  return 2 * tokens * (inputs * outputs + outputs ** 2);
}

/** Numbers in the matrices that every token is multiplied with. */
export function decoderNumbers(config: LlmConfig): number {
  return config.num_hidden_layers * sum(projections(config).map(([inputs, outputs]) => inputs * outputs));
}

function decoderAttentionFlops({ hidden_size, num_hidden_layers }: LlmConfig, pairs: number): number {
  return 4 * hidden_size * pairs * num_hidden_layers;
}

function vocabularyFlops({ hidden_size, vocab_size }: LlmConfig, positions: number): number {
  return 2 * positions * hidden_size * vocab_size;
}

/** Inputs and outputs of a layer's seven projections: q, k, v, o, gate, up, down. */
function projections({ hidden_size: width, intermediate_size: inner, num_attention_heads, num_key_value_heads }: LlmConfig): (readonly [number, number])[] {
  const keys = (width / num_attention_heads) * num_key_value_heads;
  return [[width, width], [width, keys], [width, keys], [width, width], [width, inner], [width, inner], [inner, width]];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

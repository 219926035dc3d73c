/**
 * @file How many numbers a training step holds besides weights, gradients and moments, by arithmetic from the model's
 * sizes. The counts are those of the layers as they are written; a test holds them against what compiled blocks keep.
 * Shapes: T positions of all rows or clips together, D width, F inner width, N heads, H head size.
 */
import type { Kept } from "../backend/blocks.ts";
import { imageSize, type LlmConfig, type ModelConfig, type VisionConfig } from "../model/config.ts";
import { PARTS } from "../model/emoverse.ts";
import { fusedDecoder, fusedEncoder } from "./fused-layers.ts";

/** The largest batch of a stage. */
export interface BatchSizes {
  readonly rows: number;
  /** Positions of a row, padding included. */
  readonly length: number;
  /** Positions that reach the vocabulary. */
  readonly supervised: number;
  readonly frames: number;
  /** A tower that is not trained encodes one clip at a time; all frames when absent. */
  readonly framesPerClip?: number;
  readonly sounds: number;
}

export interface ActivationsOf {
  readonly kept: Kept;
  /** Whether anything in a part of the model is trained. */
  readonly trains: (part: string) => boolean;
  /** Absent: nothing is dropped. */
  readonly dropped?: DroppedWidths;
  /** By our kernels on a GPU, op by op; else compiled layer by layer. */
  readonly fused?: boolean;
}

/** What dropout multiplies with masks in a layer. */
export interface DroppedWidths {
  /** Of a part of the model: widths of what the layer's adapters read, added up. */
  readonly adapters: (part: string) => number;
  /** Whether what both halves of a decoder layer add is dropped. */
  readonly residual: boolean;
}

export interface ActivationNumbers {
  readonly total: number;
  /** Of them those whose count changes from batch to batch: all but the decoder's rows. */
  readonly changing: number;
}

/** Numbers held at once while a batch goes forward and backward. */
export function activationNumbers(config: ModelConfig, batch: BatchSizes, { kept, trains, dropped = NOTHING_DROPPED, fused = false }: ActivationsOf): ActivationNumbers {
  const { llm_config: llm, vision_config: vision, audio_config: audio } = config;
  const [encoder, decoder, stackNumbers] = fused ? [fusedEncoder, fusedDecoder, heldNumbers] : [encoderStack, decoderStack, freedNumbers];
  const tower = (sizes: EncoderSizes, part: string, atOnce: number): StackNumbers =>
    trains(part) ? stackNumbers(withDropout(encoder(sizes), { positions: sizes.clips * sizes.length, adapters: dropped.adapters(part), fused }), kept) : frozenNumbers(encoder(sizes), encoder({ ...sizes, clips: Math.min(sizes.clips, atOnce) }));
  const frames = tower(visionSizes(vision, batch.frames, imageSize(config)), PARTS.vision, batch.framesPerClip ?? batch.frames);
  const sounds = audio === undefined ? NOTHING : tower(audioSizes(audio, batch.sounds), PARTS.audio, 1);
  const text = stackNumbers(withDropout(decoder(llm, batch), { positions: batch.rows * batch.length, adapters: dropped.adapters(PARTS.decoder), added: dropped.residual ? 2 * llm.hidden_size : 0, fused }), kept);
  const vocabulary = (fused ? FUSED_VOCABULARY : VOCABULARY) * batch.supervised * llm.vocab_size;
  const media = mediaNumbers(config, batch);
  if (fused) {
    // The pool does not give the buffers of one size to tensors of another.
    const changing = frames.kept + frames.workspace + sounds.kept + sounds.workspace + vocabulary + media;
    return { total: text.kept + text.workspace + changing, changing };
  }
  const total = Math.max(frames.workspace, sounds.workspace, text.workspace) + frames.kept + sounds.kept + text.kept + vocabulary + media + 2 * batch.rows * batch.length ** 2;
  return { total, changing: total - text.kept };
}

/** A stack of equal layers over T positions. */
export interface Stack {
  readonly layers: number;
  /** T D: what goes from one layer to the next. */
  readonly state: number;
  /** What a layer keeps for its backward pass, its input included. */
  readonly layer: number;
  /** What a layer's backward pass needs at once besides. */
  readonly backward: number;
  /** What its forward pass needs at once when nothing is kept. */
  readonly forward: number;
  /** What is kept before the first layer and behind the last. */
  readonly ends?: number;
}

const NOTHING_DROPPED: DroppedWidths = { adapters: () => 0, residual: false };

interface Masks {
  readonly positions: number;
  /** Widths of what is dropped on its way into adapters, and of what the halves of a layer add. */
  readonly adapters: number;
  readonly added?: number;
  readonly fused: boolean;
}

/**
 * With what dropout needs besides. Compiled layers are given all their masks at once, forward and backward, and keep none. Op by op
 * one layer's adapters have masks and what these leave of their inputs, which are made again, but the gradient of what each reads is
 * held apart; masks of what halves add are kept, and its gradient is held before and behind them.
 */
function withDropout(stack: Stack, { positions, adapters, added = 0, fused }: Masks): Stack {
  const numbers = positions * (adapters + added);
  if (fused) return { ...stack, layer: stack.layer + positions * added, backward: stack.backward + numbers, ends: (stack.ends ?? 0) + 2 * positions * adapters };
  return { ...stack, backward: stack.backward + numbers, forward: stack.forward + numbers };
}

interface StackNumbers {
  readonly kept: number;
  /** Of one layer at a time. */
  readonly workspace: number;
}

const NOTHING: StackNumbers = { kept: 0, workspace: 0 };

/** Of compiled layers. tfjs frees the gradients of the states between layers only when the backward pass is over. */
function freedNumbers({ layers, state, layer, backward, forward }: Stack, kept: Kept): StackNumbers {
  if (kept === "inputs") return { kept: 2 * layers * state, workspace: layer + backward };
  return { kept: layers * (layer + state), workspace: Math.max(backward, forward) };
}

/** Of layers that run op by op. tfjs frees nothing, gradients included, before the backward pass is over; of a layer that runs once more, its own. */
function heldNumbers({ layers, state, layer, backward, ends = 0 }: Stack, kept: Kept): StackNumbers {
  if (kept === "inputs") return { kept: RECOMPUTED_STATES * layers * state + ends, workspace: layer + backward };
  return { kept: layers * (layer + backward) + ends, workspace: 0 };
}

/** Of a tower that is not trained: the states of the whole batch, as they come and as a tensor, and what encoding some of its clips needs. */
function frozenNumbers(batch: Stack, atOnce: Stack): StackNumbers {
  return { kept: 2 * batch.state, workspace: atOnce.forward };
}

/** Of a layer that runs once more: its input, and the input's gradient. */
const RECOMPUTED_STATES = 2;

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

export interface EncoderSizes {
  readonly kind: "vision" | "audio";
  readonly layers: number;
  readonly width: number;
  readonly inner: number;
  readonly heads: number;
  /** Clips or frames, and positions of each. */
  readonly clips: number;
  readonly length: number;
}

function visionSizes(config: VisionConfig, frames: number, size: number): EncoderSizes {
  const { num_hidden_layers: layers, hidden_size: width, intermediate_size: inner, num_attention_heads: heads, patch_size: patch } = config;
  return { kind: "vision", layers, width, inner, heads, clips: frames, length: 1 + (size / patch) ** 2 };
}

function audioSizes({ encoder_layers: layers, d_model: width, encoder_ffn_dim: inner, encoder_attention_heads: heads, max_source_positions: length }: NonNullable<ModelConfig["audio_config"]>, sounds: number): EncoderSizes {
  return { kind: "audio", layers, width, inner, heads, clips: sounds, length };
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

/** Per supervised position and word: logits, their logarithms, the labels as unit vectors, the gradient and two steps between. */
const VOCABULARY = 6;
/** Logits, their logarithms and the gradient. */
const FUSED_VOCABULARY = 3;

/** Pixels and sound as they come and as tensors. */
function mediaNumbers(config: ModelConfig, { frames, sounds }: BatchSizes): number {
  const audio = config.audio_config;
  const sound = audio === undefined ? 0 : 2 * audio.max_source_positions * audio.num_mel_bins;
  return 2 * (frames * 3 * imageSize(config) ** 2 + sounds * sound);
}

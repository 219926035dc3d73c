/** @file The smallest model with every part, and a batch for it: what a backend must get right before it may train. */
import { tensor } from "@tensorflow/tfjs-core";
import type { BatchMedia, ClipArray } from "../curriculum/batch-media.ts";
import { buildBatch } from "../curriculum/batch.ts";
import { buildRow, type Tree } from "../curriculum/row.ts";
import { rng } from "../core/rng.ts";
import type { BatchWithMedia } from "../model/batch-states.ts";
import { modelConfigSchema, tokensPerFrame, tokensPerSound } from "../model/config.ts";
import { initRandom } from "../model/init.ts";
import { LORA_B } from "../model/linear.ts";
import { addLora } from "../model/lora.ts";
import { ParamStore } from "../model/params.ts";
import { type EncodedSegment, IGNORE_INDEX } from "../text/encoded-sample.ts";

const SEED = 1;
const VOCABULARY = 96;

/** Both towers, both projectors, a grouped-query decoder. Widths are multiples of 4, as real ones are: kernels for such widths are others. */
export const TINY_CONFIG = modelConfigSchema.parse({
  architectures: ["InternVLChatModel"],
  downsample_ratio: 0.5,
  ps_version: "v2",
  template: "Hermes-2",
  vision_config: { hidden_size: 16, image_size: 16, patch_size: 4, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32, norm_type: "layer_norm", qkv_bias: true, qk_normalization: false },
  llm_config: { architectures: ["Qwen2ForCausalLM"], hidden_size: 32, intermediate_size: 48, num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, vocab_size: VOCABULARY, max_position_embeddings: 256 },
  audio_config: { d_model: 16, encoder_layers: 1, encoder_attention_heads: 2, encoder_ffn_dim: 32, num_mel_bins: 4, max_source_positions: 12, frame_stack: 4 },
});

/** Random weights with adapters on the attention and the MLP of the decoder, on the current backend; everything is trained. */
export function tinyWeights(): ParamStore {
  const store = new ParamStore();
  initRandom(TINY_CONFIG, SEED, store);
  const adapted = addLora(store, { rank: 4, alpha: 8, targets: ["q_proj", "v_proj", "down_proj"] }, SEED);
  for (const module of adapted) setNoise(store, `${module}.${LORA_B}`); // at zero, where training begins, A has no gradient
  store.setTrainable(tinyTrained(store));
  return store;
}

function setNoise(store: ParamStore, name: string): void {
  const { shape } = store.get(name);
  store.set(name, tensor(noise(name, shape).values, shape));
}

/** Every parameter but the adapters' fixed scales. */
export function tinyTrained(store: ParamStore): string[] {
  return store.names().filter((name) => store.get(name).rank > 0);
}

const FRAMES = 2;
const FRAME_TOKENS = tokensPerFrame(TINY_CONFIG);
const SOUND_TOKENS = tokensPerSound(TINY_CONFIG);
const CLIP = "clip";

/** One row of a tree with two branches behind a clip with sound, a tree of words alone, and padding. */
export function tinyBatch(): BatchWithMedia {
  const clip: Tree = [
    { segment: clipPrefix(), parent: -1 },
    { segment: words("first", 7, 3), parent: 0 },
    { segment: words("second", 5, 2), parent: 0 },
  ];
  const text: Tree = [{ segment: words("text", 9, 4), parent: -1 }];
  const row = buildRow([clip, text], 48);
  return { batch: buildBatch([row], { videoTokens: FRAMES * FRAME_TOKENS, audioTokens: SOUND_TOKENS }), media: tinyMedia() };
}

function clipPrefix(): EncodedSegment {
  const { inputIds, labels } = words("prefix", 4 + FRAMES * FRAME_TOKENS + SOUND_TOKENS, 0);
  const slots = [
    { modality: "video", clip: CLIP, position: 2, count: FRAMES * FRAME_TOKENS, offset: 0 },
    { modality: "audio", clip: CLIP, position: 3 + FRAMES * FRAME_TOKENS, count: SOUND_TOKENS, offset: 0 },
  ] as const;
  return { inputIds, labels, slots };
}

/** Random ids of which the last `answer` are predicted, each one position earlier. */
function words(key: string, length: number, answer: number): EncodedSegment {
  const draw = rng("tiny words", key);
  const inputIds = Int32Array.from({ length }, () => draw.integer(VOCABULARY));
  const labels = Int32Array.from(inputIds, (_, position) => (position + 1 >= length - answer && position + 1 < length ? (inputIds[position + 1] ?? IGNORE_INDEX) : IGNORE_INDEX));
  return { inputIds, labels, slots: [] };
}

function tinyMedia(): BatchMedia {
  const { image_size: side, num_channels: channels } = TINY_CONFIG.vision_config;
  const { num_mel_bins: bins = 0, max_source_positions: positions = 0 } = TINY_CONFIG.audio_config ?? {};
  return { pixels: noise("pixels", [1, FRAMES, side, side, channels]), mel: noise("mel", [1, bins, 2 * positions]) };
}

function noise(key: string, shape: readonly number[]): ClipArray {
  const draw = rng("tiny media", key);
  return { values: Float32Array.from({ length: shape.reduce((size, side) => size * side, 1) }, () => draw.normal()), shape };
}

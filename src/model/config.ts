/**
 * @file ModelConfig: the published config.json of InternVL2 (`InternVLChatModel`), plus an optional `audio_config` with
 * Whisper's encoder fields. Field names are the checkpoint's own. Size is data: nothing may ask whether a model is tiny.
 */
import { z } from "zod";
import { ropeScalingSchema } from "./rope-scaling.ts";

const visionSchema = z.looseObject({
  hidden_size: z.number().int(),
  image_size: z.number().int(),
  patch_size: z.number().int(),
  num_channels: z.number().int().default(3),
  num_hidden_layers: z.number().int(),
  num_attention_heads: z.number().int(),
  intermediate_size: z.number().int(),
  layer_norm_eps: z.number().default(1e-6),
  norm_type: z.enum(["layer_norm", "rms_norm"]).default("rms_norm"),
  qkv_bias: z.boolean().default(false),
  qk_normalization: z.boolean().default(true),
});

const llmFields = z
  .looseObject({
    architectures: z.array(z.string()).min(1),
    hidden_size: z.number().int(),
    intermediate_size: z.number().int(),
    num_hidden_layers: z.number().int(),
    num_attention_heads: z.number().int(),
    num_key_value_heads: z.number().int().nullish(),
    vocab_size: z.number().int(),
    rms_norm_eps: z.number().default(1e-6),
    rope_theta: z.number().default(10000),
    rope_scaling: ropeScalingSchema.nullish(),
    max_position_embeddings: z.number().int(),
    original_max_position_embeddings: z.number().int().optional(),
    bias: z.boolean().optional().describe("InternLM2: biases on wqkv and wo"),
    attention_bias: z.boolean().optional().describe("Llama: biases on q, k, v and o"),
    mlp_bias: z.boolean().optional().describe("Llama: biases on gate, up and down"),
    hidden_act: z.string().nullish(),
    head_dim: z.number().nullish(),
    partial_rotary_factor: z.number().nullish(),
    sliding_window: z.number().nullish(),
    use_sliding_window: z.boolean().nullish().describe("Qwen2; Phi-3's window is always on"),
  })
  .transform((llm) => ({ ...llm, num_key_value_heads: llm.num_key_value_heads ?? llm.num_attention_heads }));

/** transformers 5 keeps the base and the scaling of rotary positions in one table, `rope_parameters`. */
const llmSchema = z.preprocess((value) => {
  if (typeof value !== "object" || value === null || !("rope_parameters" in value)) return value;
  const { rope_parameters: rope, ...rest } = value;
  if (typeof rope !== "object" || rope === null || !("rope_theta" in rope)) return value;
  return { ...rest, rope_theta: rope.rope_theta, rope_scaling: rope };
}, llmFields);

export const audioConfigSchema = z.looseObject({
  d_model: z.number().int(),
  encoder_layers: z.number().int(),
  encoder_attention_heads: z.number().int(),
  encoder_ffn_dim: z.number().int(),
  num_mel_bins: z.number().int().default(80),
  max_source_positions: z.number().int().describe("encoder positions; the log-mel has twice as many frames"),
  activation_function: z.string().nullish(),
  frame_stack: z.number().int().default(8).describe("encoder positions joined into one token by the audio projector (ours)"),
});

export const modelConfigSchema = z.looseObject({
  architectures: z.array(z.string()).min(1),
  downsample_ratio: z.number().default(0.5),
  ps_version: z.enum(["v1", "v2"]).default("v1"),
  select_layer: z.number().int().default(-1),
  force_image_size: z.number().int().optional(),
  template: z.string(),
  vision_config: visionSchema,
  llm_config: llmSchema,
  audio_config: audioConfigSchema.optional(),
});

export type ModelConfig = z.infer<typeof modelConfigSchema>;
export type VisionConfig = z.infer<typeof visionSchema>;
export type LlmConfig = z.infer<typeof llmSchema>;
export type AudioConfig = z.infer<typeof audioConfigSchema>;

/** Side of the model's square input frame in pixels. */
export function imageSize(config: ModelConfig): number {
  return config.force_image_size ?? config.vision_config.image_size;
}

/** Visual tokens that a frame becomes after pixel shuffle. */
export function tokensPerFrame(config: ModelConfig): number {
  const side = imageSize(config) / config.vision_config.patch_size;
  return Math.round((side * config.downsample_ratio) ** 2);
}

/** Audio tokens that a clip becomes after frame stacking; 0 without an audio tower. */
export function tokensPerSound(config: ModelConfig): number {
  const audio = config.audio_config;
  return audio === undefined ? 0 : Math.ceil(audio.max_source_positions / audio.frame_stack);
}

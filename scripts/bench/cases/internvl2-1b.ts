/** @file The shape of InternVL2-1B: InternViT-300M and Qwen2-0.5B. */
import { modelConfigSchema, type ModelConfig } from "../../../src/model/config.ts";

export const INTERNVL2_1B: ModelConfig = modelConfigSchema.parse({
  architectures: ["InternVLChatModel"],
  downsample_ratio: 0.5,
  ps_version: "v2",
  template: "Hermes-2",
  vision_config: {
    hidden_size: 1024,
    image_size: 448,
    patch_size: 14,
    num_hidden_layers: 24,
    num_attention_heads: 16,
    intermediate_size: 4096,
    norm_type: "layer_norm",
    qkv_bias: true,
    qk_normalization: false,
  },
  llm_config: {
    architectures: ["Qwen2ForCausalLM"],
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    vocab_size: 151655,
    rope_theta: 1e6,
    max_position_embeddings: 32768,
  },
});

/**
 * @file Names and shapes of every weight, derived from the config alone: what a checkpoint must hold and what a random
 * start draws. Orientation and names are those of the published InternVL2 and Whisper files.
 */
import type { AudioConfig, LlmConfig, ModelConfig, VisionConfig } from "../config.ts";
import { decoderLayout } from "../decoder-layout.ts";

export type Shape = readonly number[];
type Named = readonly [name: string, shape: Shape];

/**
 * Name -> shape, in model order.
 *
 * @throws UserError - CheckpointError for a decoder whose layout is not known.
 */
export function expectedParameters(config: ModelConfig): Map<string, Shape> {
  decoderLayout(config.llm_config);
  const audio = config.audio_config;
  return new Map([
    ...vision(config.vision_config),
    ...projector("mlp1", config.vision_config.hidden_size / config.downsample_ratio ** 2, config.llm_config.hidden_size),
    ...(audio === undefined ? [] : [...audioTower(audio), ...projector("audio_mlp", audio.d_model * audio.frame_stack, config.llm_config.hidden_size)]),
    ...decoder(config.llm_config),
  ]);
}

function vision(config: VisionConfig): Named[] {
  const { hidden_size: width, patch_size: patch, num_channels: channels } = config;
  const patches = (config.image_size / patch) ** 2;
  return [
    ["vision_model.embeddings.class_embedding", [1, 1, width]],
    ["vision_model.embeddings.patch_embedding.weight", [width, channels, patch, patch]],
    ["vision_model.embeddings.patch_embedding.bias", [width]],
    ["vision_model.embeddings.position_embedding", [1, 1 + patches, width]],
    ...layers("vision_model.encoder.layers", config.num_hidden_layers, visionLayer(config)),
  ];
}

function visionLayer(config: VisionConfig): Named[] {
  const { hidden_size: width, intermediate_size: inner } = config;
  const norm = (name: string): Named[] => (config.norm_type === "layer_norm" ? layerNorm(name, width) : [[`${name}.weight`, [width]]]);
  const qkNorms: Named[] = [
    ["attn.q_norm.weight", [width]],
    ["attn.k_norm.weight", [width]],
  ];
  return [
    ...norm("norm1"),
    ...linear("attn.qkv", width, 3 * width, config.qkv_bias ? "bias" : "no bias"),
    ...(config.qk_normalization ? qkNorms : []),
    ...linear("attn.proj", width, width),
    ["ls1", [width]],
    ...norm("norm2"),
    ...linear("mlp.fc1", width, inner),
    ...linear("mlp.fc2", inner, width),
    ["ls2", [width]],
  ];
}

/** LayerNorm, Linear, (GELU, which has no weights), Linear. */
function projector(name: string, inputSize: number, outputSize: number): Named[] {
  return [...layerNorm(`${name}.0`, inputSize), ...linear(`${name}.1`, inputSize, outputSize), ...linear(`${name}.3`, outputSize, outputSize)];
}

function audioTower(config: AudioConfig): Named[] {
  const { d_model: width, encoder_ffn_dim: inner } = config;
  return [
    ["audio_model.encoder.conv1.weight", [width, config.num_mel_bins, 3]],
    ["audio_model.encoder.conv1.bias", [width]],
    ["audio_model.encoder.conv2.weight", [width, width, 3]],
    ["audio_model.encoder.conv2.bias", [width]],
    ["audio_model.encoder.embed_positions.weight", [config.max_source_positions, width]],
    ...layers("audio_model.encoder.layers", config.encoder_layers, [
      ...layerNorm("self_attn_layer_norm", width),
      ...linear("self_attn.q_proj", width, width),
      ...linear("self_attn.k_proj", width, width, "no bias"),
      ...linear("self_attn.v_proj", width, width),
      ...linear("self_attn.out_proj", width, width),
      ...layerNorm("final_layer_norm", width),
      ...linear("fc1", width, inner),
      ...linear("fc2", inner, width),
    ]),
    ...layerNorm("audio_model.encoder.layer_norm", width),
  ];
}

function decoder(config: LlmConfig): Named[] {
  const { hidden_size: width, intermediate_size: inner, vocab_size: vocabulary } = config;
  const qkvBias = qkvBiasOf(config);
  const keyWidth = (width / config.num_attention_heads) * config.num_key_value_heads;
  return [
    ["language_model.model.embed_tokens.weight", [vocabulary, width]],
    ...layers("language_model.model.layers", config.num_hidden_layers, [
      ["input_layernorm.weight", [width]],
      ...linear("self_attn.q_proj", width, width, qkvBias),
      ...linear("self_attn.k_proj", width, keyWidth, qkvBias),
      ...linear("self_attn.v_proj", width, keyWidth, qkvBias),
      ...linear("self_attn.o_proj", width, width, "no bias"),
      ["post_attention_layernorm.weight", [width]],
      ...linear("mlp.gate_proj", width, inner, "no bias"),
      ...linear("mlp.up_proj", width, inner, "no bias"),
      ...linear("mlp.down_proj", inner, width, "no bias"),
    ]),
    ["language_model.model.norm.weight", [width]],
    ["language_model.lm_head.weight", [vocabulary, width]],
  ];
}

/** Qwen2 has biases on q, k and v; Llama, which shares its layout, has none. */
function qkvBiasOf(config: LlmConfig): "bias" | "no bias" {
  return config.architectures[0] === "Qwen2ForCausalLM" ? "bias" : "no bias";
}

function layers(prefix: string, count: number, layer: readonly Named[]): Named[] {
  return Array.from({ length: count }, (_, i) => layer.map(([name, shape]): Named => [`${prefix}.${i}.${name}`, shape])).flat();
}

/** Torch's orientation: [out, in]. */
function linear(name: string, inputSize: number, outputSize: number, bias: "bias" | "no bias" = "bias"): Named[] {
  const weight: Named = [`${name}.weight`, [outputSize, inputSize]];
  return bias === "bias" ? [weight, [`${name}.bias`, [outputSize]]] : [weight];
}

function layerNorm(name: string, width: number): Named[] {
  return [
    [`${name}.weight`, [width]],
    [`${name}.bias`, [width]],
  ];
}

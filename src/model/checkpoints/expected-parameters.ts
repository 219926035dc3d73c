/**
 * @file Names and shapes of every weight, derived from the config alone: what a checkpoint must hold and what a random
 * start draws. Orientation and names are those of the published InternVL2 and Whisper files.
 */
import type { AudioConfig, LlmConfig, ModelConfig, VisionConfig } from "../config.ts";
import { decoderLayout } from "../decoder-layout.ts";
import { layerNormShapes, linearShapes, repeatedShapes, type Named, type Shape } from "../named-shapes.ts";

/**
 * Name -> shape, in model order.
 *
 * @throws UserError - CheckpointError for a decoder whose layout is not known.
 */
export function expectedParameters(config: ModelConfig): Map<string, Shape> {
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
    ...repeatedShapes("vision_model.encoder.layers", config.num_hidden_layers, visionLayer(config)),
  ];
}

function visionLayer(config: VisionConfig): Named[] {
  const { hidden_size: width, intermediate_size: inner } = config;
  const norm = (name: string): Named[] => (config.norm_type === "layer_norm" ? layerNormShapes(name, width) : [[`${name}.weight`, [width]]]);
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
  return [...layerNormShapes(`${name}.0`, inputSize), ...linear(`${name}.1`, inputSize, outputSize), ...linear(`${name}.3`, outputSize, outputSize)];
}

function audioTower(config: AudioConfig): Named[] {
  const { d_model: width, encoder_ffn_dim: inner } = config;
  return [
    ["audio_model.encoder.conv1.weight", [width, config.num_mel_bins, 3]],
    ["audio_model.encoder.conv1.bias", [width]],
    ["audio_model.encoder.conv2.weight", [width, width, 3]],
    ["audio_model.encoder.conv2.bias", [width]],
    ["audio_model.encoder.embed_positions.weight", [config.max_source_positions, width]],
    ...repeatedShapes("audio_model.encoder.layers", config.encoder_layers, [
      ...layerNormShapes("self_attn_layer_norm", width),
      ...linear("self_attn.q_proj", width, width),
      ...linear("self_attn.k_proj", width, width, "no bias"),
      ...linear("self_attn.v_proj", width, width),
      ...linear("self_attn.out_proj", width, width),
      ...layerNormShapes("final_layer_norm", width),
      ...linear("fc1", width, inner),
      ...linear("fc2", inner, width),
    ]),
    ...layerNormShapes("audio_model.encoder.layer_norm", width),
  ];
}

function decoder(config: LlmConfig): Named[] {
  const { hidden_size: width, vocab_size: vocabulary } = config;
  const { embedding, head, finalNorm, attentionNorm, mlpNorm, layer, attentionShapes, mlpShapes } = decoderLayout(config);
  const oneLayer: Named[] = [[`${attentionNorm}.weight`, [width]], ...attentionShapes(config), [`${mlpNorm}.weight`, [width]], ...mlpShapes(config)];
  const layers = Array.from({ length: config.num_hidden_layers }, (_, i) => oneLayer.map(([name, shape]): Named => [`${layer(i)}.${name}`, shape])).flat();
  const all: Named[] = [[`${embedding}.weight`, [vocabulary, width]], ...layers, [`${finalNorm}.weight`, [width]], [`${head}.weight`, [vocabulary, width]]];
  return all.map(([name, shape]): Named => [`language_model.${name}`, shape]);
}

/** Torch's orientation: [out, in]. */
function linear(name: string, inputSize: number, outputSize: number, bias: "bias" | "no bias" = "bias"): Named[] {
  return linearShapes(name, { inputSize, outputSize, bias });
}

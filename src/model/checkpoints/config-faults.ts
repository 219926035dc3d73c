/** @file What is wrong with a config.json whose fields are all there: sizes out of range, sizes that do not fit together, kinds of model that are not computed here. */
import { type AudioConfig, imageSize, type ModelConfig } from "../config.ts";

/** Every fault of a whole model's config. */
export function modelFaults(config: ModelConfig): string[] {
  return [...sizeFaults(config), ...kindFaults(config)];
}

/** Every fault of an audio tower's config; `part` stands before the fields' names: `audio_config.`. */
export function audioFaults(audio: AudioConfig, part = ""): string[] {
  const faults = inRange(part, audio, ["d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim", "num_mel_bins", "max_source_positions", "frame_stack"]);
  if (faults.length > 0) return faults;
  return [divides(`${part}encoder_attention_heads`, audio.encoder_attention_heads, "d_model", audio.d_model), expected(`${part}activation_function`, audio.activation_function, "gelu")].filter((what) => what !== undefined);
}

/** Larger than any model; what is allocated for such a size would end the process without a message. */
const MAX_SIZE = 10_000_000;

/** Sizes that must be in range, and divisions that must come out even. */
function sizeFaults(config: ModelConfig): string[] {
  const { vision_config: vision, llm_config: llm, audio_config: audio } = config;
  const faults = [
    ...inRange("vision_config.", vision, ["hidden_size", "image_size", "patch_size", "num_channels", "num_hidden_layers", "num_attention_heads", "intermediate_size"]),
    ...inRange("llm_config.", llm, ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size", "max_position_embeddings"]),
    ...(audio === undefined ? [] : audioFaults(audio, "audio_config.")),
  ];
  if (!(config.downsample_ratio > 0)) faults.push(`downsample_ratio: Got ${config.downsample_ratio}, expected a number above 0`);
  if (faults.length > 0) return faults;
  return [
    divides("vision_config.num_attention_heads", vision.num_attention_heads, "hidden_size", vision.hidden_size),
    divides("vision_config.patch_size", vision.patch_size, "image_size", vision.image_size),
    divides("vision_config.patch_size / downsample_ratio", vision.patch_size / config.downsample_ratio, "the input frame's side", imageSize(config)),
    divides("llm_config.num_attention_heads", llm.num_attention_heads, "hidden_size", llm.hidden_size),
    divides("llm_config.num_key_value_heads", llm.num_key_value_heads, "num_attention_heads", llm.num_attention_heads),
    divides("twice llm_config.num_attention_heads", 2 * llm.num_attention_heads, "hidden_size (rotary positions need even heads)", llm.hidden_size),
  ].filter((what) => what !== undefined);
}

/** What other models of these classes do, and this program does not: never computed as if it were not there. */
function kindFaults({ vision_config: vision, llm_config: llm, select_layer: layer }: ModelConfig): string[] {
  const headDim = llm.hidden_size / llm.num_attention_heads;
  const lists = llm.rope_scaling?.rope_type === "longrope" ? { short_factor: llm.rope_scaling.short_factor, long_factor: llm.rope_scaling.long_factor } : {};
  const window = (llm.use_sliding_window ?? llm.architectures[0] === "Phi3ForCausalLM") ? (llm.sliding_window ?? Infinity) : Infinity;
  return [
    expected("vision_config.hidden_act", vision.hidden_act, "gelu"),
    expected("llm_config.hidden_act", llm.hidden_act, "silu"),
    expected("llm_config.head_dim", llm.head_dim, headDim),
    expected("llm_config.partial_rotary_factor", llm.partial_rotary_factor, 1),
    window < llm.max_position_embeddings ? `llm_config.sliding_window: Got ${window}, expected at least max_position_embeddings ${llm.max_position_embeddings} (attention sees the whole context)` : undefined,
    ...Object.entries(lists).map(([name, values]) => (values.length === headDim / 2 ? undefined : `llm_config.rope_scaling.${name}: Got ${values.length} numbers, expected ${headDim / 2}, one for each pair of a head's dimensions`)),
    Math.abs(layer) <= vision.num_hidden_layers + (layer < 0 ? 1 : 0) ? undefined : `select_layer: Got ${layer}, but there are ${vision.num_hidden_layers} layers`,
  ].filter((what) => what !== undefined);
}

/** Absent or null means the usual one. */
function expected(name: string, value: unknown, wanted: string | number): string | undefined {
  return value === undefined || value === null || value === wanted ? undefined : `${name}: Got ${JSON.stringify(value)}, expected ${JSON.stringify(wanted)}`;
}

function inRange<K extends string>(part: string, config: Readonly<Record<K, number>>, fields: readonly K[]): string[] {
  return fields.filter((field) => config[field] <= 0 || config[field] > MAX_SIZE).map((field) => `${part}${field}: Got ${config[field]}, expected a number above 0${config[field] > MAX_SIZE ? `, up to ${MAX_SIZE}` : ""}`);
}

function divides(name: string, divisor: number, wholeName: string, whole: number): string | undefined {
  return Number.isInteger(whole / divisor) ? undefined : `${name}: Got ${divisor}, expected a divisor of ${wholeName} ${whole}`;
}

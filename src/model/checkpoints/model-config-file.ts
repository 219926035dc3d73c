/** @file config.json of a model folder: read, checked for shape and for sizes that must fit together. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError, type Problem } from "../../core/errors.ts";
import { describeSystemError } from "../../core/files.ts";
import { imageSize, modelConfigSchema, type ModelConfig } from "../config.ts";
import { asOriginalConfig, NATIVE_ARCHITECTURE } from "./native-config.ts";

/**
 * The parsed config.json of a model folder.
 *
 * @throws UserError - CheckpointError listing every field that is missing, of the wrong type, or does not fit the others.
 */
export async function readModelConfig(folder: string): Promise<ModelConfig> {
  const path = join(folder, "config.json");
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw missing ? new UserError({ kind: "CheckpointError", where: path, what: "no such file", hint: "Point model.folder to a Hugging Face style folder: config.json, tokenizer.json and, unless model.init is random, safetensors." }, { cause: error }) : describeSystemError(error, path);
  });
  const file = parseJson(text, path);
  checkArchitecture(file, path);
  const parsed = modelConfigSchema.safeParse(asOriginalConfig(file));
  const faults = parsed.success ? [...sizeFaults(parsed.data), ...kindFaults(parsed.data)] : parsed.error.issues.map((issue) => `${issue.path.join(".") || "the file"}: ${issue.message}`);
  if (parsed.success && faults.length === 0) return parsed.data;
  throw new UserError(faults.map((what) => fault(path, what)));
}

/** A folder of another kind of model is told as such, not by the fields it lacks. */
function checkArchitecture(file: unknown, path: string): void {
  const architectures: unknown = typeof file === "object" && file !== null && "architectures" in file ? file.architectures : undefined;
  const first: unknown = Array.isArray(architectures) ? architectures[0] : undefined;
  if (typeof first !== "string" || ARCHITECTURES.includes(first)) return;
  throw new UserError({ kind: "CheckpointError", where: path, what: `architectures: Got "${first}", expected ${ARCHITECTURES.join(" or ")}`, hint: "Only models of the InternVL2, 2.5 and 3 families can be loaded." });
}

const ARCHITECTURES: readonly string[] = ["InternVLChatModel", NATIVE_ARCHITECTURE];

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(fault(path, `not valid JSON (${error instanceof Error ? error.message : "unreadable"})`), { cause: error });
  }
}

/** Larger than any model; what is allocated for such a size would end the process without a message. */
const MAX_SIZE = 10_000_000;

/** Sizes that must be in range, and divisions that must come out even. */
function sizeFaults(config: ModelConfig): string[] {
  const { vision_config: vision, llm_config: llm, audio_config: audio } = config;
  const faults = [
    ...inRange("vision_config", vision, ["hidden_size", "image_size", "patch_size", "num_channels", "num_hidden_layers", "num_attention_heads", "intermediate_size"]),
    ...inRange("llm_config", llm, ["hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size", "max_position_embeddings"]),
    ...(audio === undefined ? [] : inRange("audio_config", audio, ["d_model", "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim", "num_mel_bins", "max_source_positions", "frame_stack"])),
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
    audio === undefined ? undefined : divides("audio_config.encoder_attention_heads", audio.encoder_attention_heads, "d_model", audio.d_model),
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
  return fields.filter((field) => config[field] <= 0 || config[field] > MAX_SIZE).map((field) => `${part}.${field}: Got ${config[field]}, expected a number above 0${config[field] > MAX_SIZE ? `, up to ${MAX_SIZE}` : ""}`);
}

function divides(name: string, divisor: number, wholeName: string, whole: number): string | undefined {
  return Number.isInteger(whole / divisor) ? undefined : `${name}: Got ${divisor}, expected a divisor of ${wholeName} ${whole}`;
}

function fault(where: string, what: string): Problem {
  return { kind: "CheckpointError", where, what, hint: "See the config.json of the model's publisher for the field names." };
}

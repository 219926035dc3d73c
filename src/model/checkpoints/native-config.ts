/**
 * @file config.json of transformers' native InternVL (the `-hf` repositories) in the form of InternVL's own: other field
 * names, sides as pairs, no chat template. Defaults are those of the native classes.
 */
import { z } from "zod";

const side = z.union([z.number(), z.tuple([z.number(), z.number()]).transform(([height]) => height)]);

const nativeVisionSchema = z.looseObject({
  hidden_size: z.number().default(1024),
  num_hidden_layers: z.number().default(24),
  num_attention_heads: z.number().default(16),
  attention_bias: z.boolean().default(false),
  use_qk_norm: z.boolean().default(false),
  intermediate_size: z.number().default(4096),
  hidden_act: z.string().default("gelu"),
  layer_norm_eps: z.number().default(1e-6),
  image_size: side.default(448),
  patch_size: side.default(14),
  num_channels: z.number().default(3),
  norm_type: z.string().default("layer_norm"),
});

const nativeSchema = z.looseObject({
  text_config: z.looseObject({ architectures: z.array(z.string()).nullish(), model_type: z.string().default("qwen2") }),
  vision_config: nativeVisionSchema.prefault({}),
  downsample_ratio: z.number().default(0.5),
  vision_feature_layer: z.number().default(-1),
});

export const NATIVE_ARCHITECTURE = "InternVLForConditionalGeneration";

/** Decoders that the native class is published with; their own configs often say only the model type. */
const DECODERS: Readonly<Record<string, string>> = { qwen2: "Qwen2ForCausalLM", llama: "LlamaForCausalLM", phi3: "Phi3ForCausalLM" };

/** The file as InternVL's own class would have written it, still to be checked; other files as they are. */
export function asOriginalConfig(file: unknown): unknown {
  const parsed = nativeSchema.safeParse(file);
  if (!isNative(file) || !parsed.success) return file;
  const { text_config: text, vision_config: vision, downsample_ratio, vision_feature_layer: layer } = parsed.data;
  const { attention_bias: qkv_bias, use_qk_norm: qk_normalization, ...sameNames } = vision;
  return {
    architectures: ["InternVLChatModel"],
    downsample_ratio,
    ps_version: "v2",
    select_layer: layer,
    // All models that were published for the native class are of this template.
    template: "internvl2_5",
    vision_config: { ...sameNames, qkv_bias, qk_normalization },
    llm_config: { ...text, architectures: text.architectures ?? [DECODERS[text.model_type] ?? text.model_type] },
  };
}

function isNative(file: unknown): boolean {
  return typeof file === "object" && file !== null && "architectures" in file && Array.isArray(file.architectures) && file.architectures[0] === NATIVE_ARCHITECTURE;
}

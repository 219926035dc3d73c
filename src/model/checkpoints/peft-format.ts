/** @file PEFT's adapter folder: names of its files and keys, and the fields of its config that count. */
import { z } from "zod";

export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";
export const KEY_PREFIX = "base_model.model.";
/** Where we note, among the file's metadata, which base an adapter was trained on; PEFT does not look there. */
export const BASE_HASH = "m2se_base";

export const adapterConfigSchema = z.looseObject({
  peft_type: z.literal("LORA"),
  base_model_name_or_path: z.string().nullish(),
  r: z.number().int().positive(),
  lora_alpha: z.number().positive(),
  bias: z.literal("none").default("none"),
  fan_in_fan_out: z.literal(false).default(false),
  use_dora: z.literal(false).default(false),
  use_rslora: z.boolean().default(false),
  rank_pattern: z.record(z.string(), z.number().int().positive()).nullish(),
  alpha_pattern: z.record(z.string(), z.number().positive()).nullish(),
});
export type AdapterConfig = z.infer<typeof adapterConfigSchema>;

/**
 * @file The decoder families by the name that config.json gives them. Where a family keeps its weights below
 * `language_model`, and how its projections are cut, is a value in layouts/; decoder.ts is the same for all.
 */
import { UserError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { LlmConfig } from "./config.ts";
import { internlm2 } from "./layouts/internlm2.ts";
import { headShape, type DecoderLayout } from "./layouts/layout.ts";
import { llama, qwen2 } from "./layouts/llama.ts";
import { phi3 } from "./layouts/phi3.ts";
import type { RotaryShape } from "./rope-scaling.ts";

export type { DecoderLayout } from "./layouts/layout.ts";

const LAYOUTS: ReadonlyMap<string, DecoderLayout> = new Map([
  ["Qwen2ForCausalLM", qwen2],
  ["LlamaForCausalLM", llama],
  ["InternLM2ForCausalLM", internlm2],
  ["Phi3ForCausalLM", phi3],
]);

/** The layout of the decoder that `llm_config.architectures` names. @throws UserError when it is not one of ours. */
export function decoderLayout(config: LlmConfig): DecoderLayout {
  const [architecture = ""] = config.architectures;
  const layout = LAYOUTS.get(architecture);
  if (layout !== undefined) return layout;
  const hint = didYouMean(architecture, [...LAYOUTS.keys()]);
  throw new UserError({ kind: "CheckpointError", where: "config.json llm_config.architectures[0]", what: `unknown decoder "${architecture}"`, hint });
}

/** The numbers that rotary positions depend on, as the family's own code reads them. */
export function rotaryShape(config: LlmConfig, { dynamicRope }: DecoderLayout): RotaryShape {
  const { rope_theta: theta, rope_scaling: scaling, max_position_embeddings: maxPositions, original_max_position_embeddings: originalMaxPositions } = config;
  const isScaled = scaling !== undefined && scaling !== null && !(scaling.rope_type === "dynamic" && dynamicRope === "ignored");
  return {
    headDim: headShape(config).headDim,
    theta,
    maxPositions,
    ...(isScaled ? { scaling } : {}),
    ...(originalMaxPositions === undefined ? {} : { originalMaxPositions }),
  };
}

/**
 * @file DecoderLayout: where a decoder family keeps its weights below `language_model`, and how its projections are cut.
 * A family that fuses q, k, v or gate and up in one matrix is one more value here; decoder.ts stays as it is.
 */
import type { Tensor } from "@tensorflow/tfjs-core";
import { UserError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { LlmConfig } from "./config.ts";
import { linear } from "./linear.ts";
import { gatedMlp } from "./mlp.ts";
import type { Params } from "./params.ts";

export interface DecoderLayout {
  /** Part of the names of the blocks. */
  readonly name: string;
  readonly embedding: string;
  readonly finalNorm: string;
  readonly head: string;
  readonly attentionNorm: string;
  readonly mlpNorm: string;
  readonly layer: (index: number) => string;
  /** Rows [M, heads * H] of queries, keys and values; `params` are the layer's, here and below. */
  readonly projectIn: (params: Params, x: Tensor) => { query: Tensor; key: Tensor; value: Tensor };
  readonly projectOut: (params: Params, x: Tensor) => Tensor;
  readonly mlp: (params: Params, x: Tensor) => Tensor;
}

const llama: DecoderLayout = {
  name: "llama",
  embedding: "model.embed_tokens",
  finalNorm: "model.norm",
  head: "lm_head",
  attentionNorm: "input_layernorm",
  mlpNorm: "post_attention_layernorm",
  layer: (index) => `model.layers.${index}`,
  projectIn: (params, x) => ({
    query: linear(params, "self_attn.q_proj", x),
    key: linear(params, "self_attn.k_proj", x),
    value: linear(params, "self_attn.v_proj", x),
  }),
  projectOut: (params, x) => linear(params, "self_attn.o_proj", x),
  mlp: (params, x) => gatedMlp(params.scope("mlp"), x),
};

const LAYOUTS: ReadonlyMap<string, DecoderLayout> = new Map([
  ["Qwen2ForCausalLM", llama],
  ["LlamaForCausalLM", llama],
]);

/** The layout of the decoder that `llm_config.architectures` names. @throws UserError when it is not one of ours. */
export function decoderLayout(config: LlmConfig): DecoderLayout {
  const [architecture = ""] = config.architectures;
  const layout = LAYOUTS.get(architecture);
  if (layout !== undefined) return layout;
  const hint = didYouMean(architecture, [...LAYOUTS.keys()]);
  throw new UserError({ kind: "CheckpointError", where: "config.json llm_config.architectures[0]", what: `unknown decoder "${architecture}"`, hint });
}

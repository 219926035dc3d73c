/** @file Llama's layout, which Qwen2 shares: seven separate projections. They differ in their biases alone. */
import type { LlmConfig } from "../config.ts";
import { linear, linears } from "../linear.ts";
import { gatedMlp } from "../mlp.ts";
import { linearShapes, type Named } from "../named-shapes.ts";
import { keyWidth, type DecoderLayout } from "./layout.ts";

type Bias = "bias" | "no bias";

export const llama: DecoderLayout = {
  name: "llama",
  embedding: "model.embed_tokens",
  finalNorm: "model.norm",
  head: "lm_head",
  attentionNorm: "input_layernorm",
  mlpNorm: "post_attention_layernorm",
  layer: (index) => `model.layers.${index}`,
  attentionShapes: (config) => {
    const bias = config.attention_bias === true ? "bias" : "no bias";
    return attentionShapes(config, { qkv: bias, out: bias });
  },
  mlpShapes: ({ hidden_size: width, intermediate_size: inner, mlp_bias: hasBias }) => {
    const bias = hasBias === true ? "bias" : "no bias";
    return [
      ...linearShapes("mlp.gate_proj", { inputSize: width, outputSize: inner, bias }),
      ...linearShapes("mlp.up_proj", { inputSize: width, outputSize: inner, bias }),
      ...linearShapes("mlp.down_proj", { inputSize: inner, outputSize: width, bias }),
    ];
  },
  projectIn: (params, x) => {
    const [query, key, value] = linears(params, ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"], x);
    return { query, key, value };
  },
  projectOut: (params, x) => linear(params, "self_attn.o_proj", x),
  mlp: (params, x) => gatedMlp(params.scope("mlp"), { gate: "gate_proj", up: "up_proj", down: "down_proj" }, x),
  dynamicRope: "applied",
};

/** Biases on q, k and v, whatever the config says; transformers 4.37, which the checkpoints were made with, knows no rope_scaling here. */
export const qwen2: DecoderLayout = {
  ...llama,
  attentionShapes: (config) => attentionShapes(config, { qkv: "bias", out: "no bias" }),
  dynamicRope: "ignored",
};

function attentionShapes(config: LlmConfig, bias: { readonly qkv: Bias; readonly out: Bias }): Named[] {
  const { hidden_size: width } = config;
  return [
    ...linearShapes("self_attn.q_proj", { inputSize: width, outputSize: width, bias: bias.qkv }),
    ...linearShapes("self_attn.k_proj", { inputSize: width, outputSize: keyWidth(config), bias: bias.qkv }),
    ...linearShapes("self_attn.v_proj", { inputSize: width, outputSize: keyWidth(config), bias: bias.qkv }),
    ...linearShapes("self_attn.o_proj", { inputSize: width, outputSize: width, bias: bias.out }),
  ];
}

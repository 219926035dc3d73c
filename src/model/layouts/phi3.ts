/** @file Phi-3's layout: `qkv_proj` is [all q | all k | all v], `gate_up_proj` is [gate | up]; the matrices stay whole, their products are cut. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { swiglu } from "../activation.ts";
import { linear } from "../linear.ts";
import { linearShapes } from "../named-shapes.ts";
import { keyWidth, type DecoderLayout } from "./layout.ts";
import { llama } from "./llama.ts";

export const phi3: DecoderLayout = {
  ...llama,
  name: "phi3",
  attentionShapes: (config) => {
    const width = config.hidden_size;
    return [
      ...linearShapes("self_attn.qkv_proj", { inputSize: width, outputSize: width + 2 * keyWidth(config), bias: "no bias" }),
      ...linearShapes("self_attn.o_proj", { inputSize: width, outputSize: width, bias: "no bias" }),
    ];
  },
  mlpShapes: ({ hidden_size: width, intermediate_size: inner }) => [
    ...linearShapes("mlp.gate_up_proj", { inputSize: width, outputSize: 2 * inner, bias: "no bias" }),
    ...linearShapes("mlp.down_proj", { inputSize: inner, outputSize: width, bias: "no bias" }),
  ],
  projectIn: (params, x, { numHeads, numKvHeads, headDim }) => {
    const [query, key, value] = tf.split(linear(params, "self_attn.qkv_proj", x), [numHeads * headDim, numKvHeads * headDim, numKvHeads * headDim], 1);
    if (query === undefined || key === undefined || value === undefined) throw new Error("tf.split gave fewer than 3 parts");
    return { query, key, value };
  },
  mlp: (params, x) => linear(params, "mlp.down_proj", gated(linear(params, "mlp.gate_up_proj", x))),
};

function gated(gateUp: Tensor): Tensor {
  const [gate, up] = tf.split(gateUp, 2, 1);
  if (gate === undefined || up === undefined) throw new Error("tf.split gave fewer than 2 parts");
  return swiglu(gate, up);
}

/**
 * @file InternLM2's layout. `wqkv` is interleaved by key head: its rows are [K, N/K + 2, H], the queries that read a key
 * head, then its key, then its value. The matrix stays whole, so that an adapter on it keeps its one shared A; the
 * product is cut. Legend: M rows, N query heads, K key/value heads, H head size.
 */
import * as tf from "@tensorflow/tfjs-core";
import { linear } from "../linear.ts";
import { gatedMlp } from "../mlp.ts";
import { linearShapes } from "../named-shapes.ts";
import { keyWidth, type DecoderLayout } from "./layout.ts";

export const internlm2: DecoderLayout = {
  name: "internlm2",
  embedding: "model.tok_embeddings",
  finalNorm: "model.norm",
  head: "output",
  attentionNorm: "attention_norm",
  mlpNorm: "ffn_norm",
  layer: (index) => `model.layers.${index}`,
  attentionShapes: (config) => {
    const width = config.hidden_size;
    // The original's own default; published configs say false.
    const bias = config.bias === false ? "no bias" : "bias";
    return [
      ...linearShapes("attention.wqkv", { inputSize: width, outputSize: width + 2 * keyWidth(config), bias }),
      ...linearShapes("attention.wo", { inputSize: width, outputSize: width, bias }),
    ];
  },
  mlpShapes: ({ hidden_size: width, intermediate_size: inner }) => [
    ...linearShapes("feed_forward.w1", { inputSize: width, outputSize: inner, bias: "no bias" }),
    ...linearShapes("feed_forward.w3", { inputSize: width, outputSize: inner, bias: "no bias" }),
    ...linearShapes("feed_forward.w2", { inputSize: inner, outputSize: width, bias: "no bias" }),
  ],
  projectIn: (params, x, { numHeads, numKvHeads, headDim }) => {
    const group = numHeads / numKvHeads;
    const [rows = 0] = x.shape;
    const interleaved = tf.reshape(linear(params, "attention.wqkv", x), [rows, numKvHeads, group + 2, headDim]);
    const [query, key, value] = tf.split(interleaved, [group, 1, 1], 2);
    if (query === undefined || key === undefined || value === undefined) throw new Error("tf.split gave fewer than 3 parts");
    return { query: tf.reshape(query, [rows, numHeads * headDim]), key: tf.reshape(key, [rows, numKvHeads * headDim]), value: tf.reshape(value, [rows, numKvHeads * headDim]) };
  },
  projectOut: (params, x) => linear(params, "attention.wo", x),
  mlp: (params, x) => gatedMlp(params.scope("feed_forward"), { gate: "w1", up: "w3", down: "w2" }, x),
  dynamicRope: "applied",
};

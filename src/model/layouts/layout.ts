/** @file DecoderLayout: what one family of decoders does differently from another, and nothing else. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { LlmConfig } from "../config.ts";
import type { Named } from "../named-shapes.ts";
import type { Params } from "../params.ts";

export interface HeadShape {
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
}

export interface DecoderLayout {
  /** Part of the names of the blocks. */
  readonly name: string;
  readonly embedding: string;
  readonly finalNorm: string;
  readonly head: string;
  readonly attentionNorm: string;
  readonly mlpNorm: string;
  readonly layer: (index: number) => string;
  /** Names, below a layer, and shapes of its linear maps. */
  readonly attentionShapes: (config: LlmConfig) => readonly Named[];
  readonly mlpShapes: (config: LlmConfig) => readonly Named[];
  /** Rows [M, heads * H] of queries, keys and values; `params` are the layer's, here and below. */
  readonly projectIn: (params: Params, x: Tensor, shape: HeadShape) => { query: Tensor; key: Tensor; value: Tensor };
  readonly projectOut: (params: Params, x: Tensor) => Tensor;
  readonly mlp: (params: Params, x: Tensor) => Tensor;
  /** What the family's own code does with `rope_scaling` of type dynamic. */
  readonly dynamicRope: "applied" | "ignored";
}

/** Head counts and the head size of a config. */
export function headShape(config: LlmConfig): HeadShape {
  return { numHeads: config.num_attention_heads, numKvHeads: config.num_key_value_heads, headDim: config.hidden_size / config.num_attention_heads };
}

/** Width of all keys, or all values, of a position. */
export function keyWidth(config: LlmConfig): number {
  const { numKvHeads, headDim } = headShape(config);
  return numKvHeads * headDim;
}

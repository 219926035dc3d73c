/**
 * @file What layers hold that run op by op on our kernels (backend webgpu): what tfjs saves for the gradients, and the gradients
 * themselves, none of which it frees before the backward pass is over. A test holds the counts against a device's own.
 * Shapes: T positions of all rows or clips together, D width, F inner width, N heads, H head size. Adapters' T R are left out.
 */
import type { LlmConfig } from "../model/config.ts";
import type { BatchSizes, EncoderSizes, Stack } from "./activation-memory.ts";

/**
 * Saved: x, both normalised inputs, queries and keys before and after their rotation, values, the attended values, what both halves
 * add, the sum between; gate, up and their product; two numbers a row and one a head. Of each a gradient, of the residual's two
 * parts where it has one of its own.
 */
export function fusedDecoder({ num_hidden_layers: layers, hidden_size: width, intermediate_size: inner, num_attention_heads: heads, num_key_value_heads: keyHeads }: LlmConfig, { rows, length }: BatchSizes): Stack {
  const positions = rows * length;
  const keys = (width / heads) * keyHeads;
  const each = positions * (9 * width + 3 * keys + 3 * inner + heads);
  return {
    layers,
    state: positions * width,
    layer: each,
    backward: each,
    forward: each,
    ends: 6 * positions * width,
  };
}

/**
 * Saved: x, both normalised inputs, queries, keys, values, the attended values, what both halves add, the sum between; both sides of
 * the GELU; of InternViT's also what both halves add before it is scaled. Of each a gradient, of InternViT's queries, keys and values
 * also all in one.
 */
export function fusedEncoder({ kind, layers, width, inner, heads, clips, length }: EncoderSizes): Stack {
  const positions = clips * length;
  const [saved, gradients] = kind === "vision" ? [12, 16] : [10, 11];
  return {
    layers,
    state: positions * width,
    layer: positions * (saved * width + 2 * inner + heads),
    backward: positions * (gradients * width + 2 * inner + heads),
    forward: positions * (gradients * width + 2 * inner + heads),
    ends: 2 * positions * width,
  };
}

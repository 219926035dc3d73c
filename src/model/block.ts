/** @file A block: one transformer layer as a unit that a backend may compile, forward and backward, into one graph. */
import type { Tensor } from "@tensorflow/tfjs-core";
import { blockCompiler, isTaped } from "../backend/blocks.ts";
import type { Params } from "./params.ts";
import { recomputed } from "./recompute.ts";

export interface Block<I extends Record<string, Tensor>> {
  /** Identifies `fn` and every number it closes over; equal names and shapes share one compiled graph. */
  readonly name: string;
  readonly params: Params;
  /** Gradients flow through `x` only; the other inputs are masks, tables and caches. */
  readonly inputs: I & { readonly x: Tensor };
  /** Shape-static, never reads values, does not know its layer; one output when trained. */
  readonly fn: (params: Params, inputs: I & { readonly x: Tensor }) => Tensor[];
}

/** The outputs of the block; differentiable in `x` and in the trainable parameters it reads. `params.kept` decides what the backward pass finds. */
export function runBlock<I extends Record<string, Tensor>>({ name, params, inputs, fn }: Block<I>): Tensor[] {
  const compiler = blockCompiler();
  if (compiler === undefined) return isTaped() && params.kept === "inputs" ? [recomputed({ params, inputs, fn })] : fn(params, inputs);
  // The compiler passes back an object with the very keys of `inputs`.
  return compiler.run({ name, params, inputs, fn: (own, symbols) => fn(own, symbols as typeof inputs) });
}

/** @file A block: one transformer layer as a unit that a backend may compile, forward and backward, into one graph. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Params } from "./params.ts";

export interface Block<I extends Record<string, Tensor>> {
  /** Identifies `fn` and every number it closes over; equal names and shapes share one compiled graph. */
  readonly name: string;
  readonly params: Params;
  readonly inputs: I;
  /** Shape-static, never reads values; see `docs` of the folder for the ops it may use. */
  readonly fn: (params: Params, inputs: I) => Tensor[];
}

/** The outputs of the block; differentiable in its inputs and in the trainable parameters it reads. */
export function runBlock<I extends Record<string, Tensor>>({ params, inputs, fn }: Block<I>): Tensor[] {
  return fn(params, inputs);
}

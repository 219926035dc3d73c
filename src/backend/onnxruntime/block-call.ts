/** @file A block as the compiler is given it. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { DropPlace } from "../dropout-mask.ts";
import type { PackedWeight } from "../packed-weight.ts";

/**
 * What a block keeps from its forward pass for its backward pass: every value that the gradients read, or its inputs
 * alone, from which it computes the rest again (gradient checkpointing). The gradients are the same.
 */
export type Kept = "intermediates" | "inputs";

/** The weights that a block may read; see `model/params.ts`. */
export interface BlockParams {
  get(name: string): Tensor;
  packed(name: string): PackedWeight | undefined;
  has(name: string): boolean;
  isTrainable(name: string): boolean;
  trainsWithin(prefix: string): boolean;
  readonly kept: Kept;
  drops(place: DropPlace): boolean;
  dropoutMask(place: DropPlace, module: string, shape: readonly number[]): Tensor;
  scope(prefix: string): BlockParams;
}

export interface BlockCall {
  readonly name: string;
  readonly params: BlockParams;
  /** Only `x` is differentiable; the others are masks and tables. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly fn: (params: BlockParams, inputs: Readonly<Record<string, Tensor>>) => Tensor[];
}

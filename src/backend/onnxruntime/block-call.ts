/** @file A block as the compiler is given it. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { DropPlace } from "../dropout-mask.ts";
import type { PackedWeight } from "../packed-weight.ts";

/**
 * What a block keeps from its forward pass for its backward pass: every value that the gradients read, or its inputs
 * alone, from which it computes the rest again (gradient checkpointing). The gradients are the same.
 */
export type Kept = "intermediates" | "inputs";

/** Weights by relative name; tensors are borrowed, never disposed by the reader. */
export interface BlockParams {
  /** Throws when the name is unknown. Of a weight that is kept in 8 bits or in halves it is a new tensor of the rounded numbers; compiled blocks never ask for it. */
  get(name: string): Tensor;
  /** The weight of this name if it is kept in 8 bits. */
  packed(name: string): PackedWeight | undefined;
  /** The weight of this name as the linear kernels take it, [out, in / 2] int32, if it is kept in halves. */
  halves(name: string): Tensor | undefined;
  has(name: string): boolean;
  /** Whether the current stage trains this parameter. */
  isTrainable(name: string): boolean;
  /** Whether the current stage trains anything under this prefix. */
  trainsWithin(prefix: string): boolean;
  /** What a block keeps for its backward pass in the current stage. */
  readonly kept: Kept;
  /** Whether numbers are dropped in this place: in training steps with dropout. */
  drops(place: DropPlace): boolean;
  /** What a module's numbers are multiplied with in the current step, [rows, width]; the same at every call, and the caller's. */
  dropoutMask(place: DropPlace, module: string, shape: readonly number[]): Tensor;
  /** The same weights under a longer prefix: `scope("layers.0").get("mlp.fc1.weight")`. */
  scope(prefix: string): BlockParams;
}

export interface BlockCall {
  readonly name: string;
  readonly params: BlockParams;
  /** Only `x` is differentiable; the others are masks and tables. */
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly fn: (params: BlockParams, inputs: Readonly<Record<string, Tensor>>) => Tensor[];
}

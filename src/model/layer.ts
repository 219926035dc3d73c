/** @file A block with a single result, the usual case. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { invariant } from "../core/errors.ts";
import { runBlock, type Block } from "./block.ts";

/** The first output of the block; what else it made is freed. */
export function runLayer<I extends Record<string, Tensor>>(block: Block<I>): Tensor {
  return tf.tidy(() => {
    const [output] = runBlock(block);
    invariant(output !== undefined, () => `block ${block.name} returned nothing`);
    return output;
  });
}

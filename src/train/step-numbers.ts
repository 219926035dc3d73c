/** @file What the host has to know before it updates the weights: the losses, and the size of the gradients. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { borrowFloats, hasHostMemory, readFloats } from "../backend/host-memory.ts";
import { type GradientSquares, hostSquares, partialSquares, squaresOfParts } from "./gradient-squares.ts";

/** Borrowed. */
export interface StepTensors {
  /** One-dimensional: of each batch. */
  readonly losses: readonly Tensor[];
  /** By parameter name. */
  readonly gradients: ReadonlyMap<string, Tensor>;
}

export interface StepNumbers {
  /** Of each batch; to be read until the tensors are disposed. */
  readonly losses: readonly Float32Array[];
  readonly squares: GradientSquares;
}

/** From a device, all of it comes in one read. @throws what went wrong on the device. */
export async function readStepNumbers({ losses, gradients }: StepTensors): Promise<StepNumbers> {
  if (hasHostMemory()) return { losses: losses.map(borrowFloats), squares: hostSquares(gradients) };
  const joined = tf.tidy(() => tf.concat([...losses, ...partialSquares(gradients)], 0));
  const numbers = await readFloats(joined);
  joined.dispose();
  let end = 0;
  const ofBatches = losses.map(({ size }) => numbers.subarray(end, (end += size)));
  return { losses: ofBatches, squares: await squaresOfParts(numbers.subarray(end), gradients) };
}

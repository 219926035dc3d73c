/** @file One forward and backward pass over a batch of packed rows. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { registerGradients } from "../backend/gradients.ts";
import { readFloats } from "../backend/host-memory.ts";
import { invariant } from "../core/errors.ts";
import type { Batch } from "../curriculum/batch.ts";
import { batchStates, type BatchWithMedia } from "../model/batch-states.ts";
import type { ModelConfig } from "../model/config.ts";
import { maskedCrossEntropy } from "../model/cross-entropy.ts";
import { logitsAt } from "../model/emoverse.ts";
import type { ParamStore } from "../model/params.ts";

export interface LossAndGradients {
  /** Loss of every supervised position, in the order of `supervisedPositions(batch)`; the caller's. */
  readonly losses: Tensor;
  /** Of the weighted sum of the losses; by parameter name, the caller's. */
  readonly gradients: ReadonlyMap<string, Tensor>;
}

/** Positions of a batch, in its flat numbering, that carry a label. */
export function supervisedPositions({ labels }: Pick<Batch, "labels">): Int32Array {
  return Int32Array.from(labels.keys()).filter((position) => (labels[position] ?? -1) >= 0);
}

/**
 * Losses and gradients of the named parameters. The sum, not the mean: the caller divides by the count of the whole step.
 *
 * @param weights - of the losses in the sum; absent: all 1.
 */
export function lossAndGradients(params: ParamStore, config: ModelConfig, input: BatchWithMedia, trained: readonly string[], weights?: Float32Array): LossAndGradients {
  registerGradients();
  let losses: Tensor | undefined;
  const gradients = tf.tidy(() => {
    const { grads } = tf.engine().gradients(
      () => {
        const result = batchLoss(params, config, input, weights);
        losses = tf.keep(result.losses);
        return result.sum;
      },
      trained.map((name) => params.get(name)),
      undefined,
      true,
    );
    return grads;
  });
  invariant(losses !== undefined && gradients.length === trained.length, () => "a step without losses");
  const entries = trained.map((name, i) => [name, gradients[i] ?? tf.zerosLike(params.get(name))] as const);
  return { losses, gradients: new Map(entries) };
}

/** Losses without gradients. */
export async function lossOnly(params: ParamStore, config: ModelConfig, input: BatchWithMedia): Promise<Float32Array> {
  const losses = tf.tidy(() => batchLoss(params, config, input).losses);
  try {
    return (await readFloats(losses)).slice();
  } finally {
    losses.dispose();
  }
}

function batchLoss(params: ParamStore, config: ModelConfig, input: BatchWithMedia, weights?: Float32Array): { sum: tf.Scalar; losses: Tensor } {
  const positions = supervisedPositions(input.batch);
  const targets = positions.map((position) => input.batch.labels[position] ?? -1);
  return maskedCrossEntropy(logitsAt(params, config, batchStates(params, config, input), positions), targets, weights);
}

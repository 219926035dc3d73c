/**
 * @file Attention in one kernel, on backends that have it. Which pairs see each other is two short lists, not a matrix.
 * Shapes: B batch row, S queries, L keys, N query heads, K key/value heads, H head size.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { offersOwnKernel, runOwnKernel } from "../backend/own-kernels.ts";
import type { Batch } from "../curriculum/batch.ts";
import { differentiable } from "./custom-grad.ts";

/** Keys of a chunk, as the kernel `TreeAttention` counts them. */
const CHUNK = 32;

/** The tree mask of a batch: a query sees a key if key <= query < seenUntil[key]. */
export interface SeenUntil {
  /** [B, L + ceil(L / 32)]: of every key, and behind them the largest of every chunk. */
  readonly seenUntil: Tensor;
}

export interface FusedAttentionInputs {
  /** [B, S, N, H] */
  readonly query: Tensor;
  /** [B, L, K, H]; query head n reads key head floor(n / (N / K)). */
  readonly key: Tensor;
  readonly value: Tensor;
  /** Of a `SeenUntil`; absent: every query sees every key. */
  readonly seenUntil?: Tensor | undefined;
}

/** Whether the backend has the kernels. */
export function offersFusedAttention(): boolean {
  return offersOwnKernel("TreeAttention");
}

/** int32 */
export function seenUntilMask({ seenUntil, batchSize, length }: Pick<Batch, "seenUntil" | "batchSize" | "length">): SeenUntil {
  const width = length + Math.ceil(length / CHUNK);
  const ends = new Int32Array(batchSize * width);
  for (const [position, end] of seenUntil.entries()) {
    const [row, key] = [Math.floor(position / length), position % length];
    const chunk = row * width + length + Math.floor(key / CHUNK);
    ends[row * width + key] = end;
    ends[chunk] = Math.max(ends[chunk]!, end);
  }
  return { seenUntil: tf.tensor2d(ends, [batchSize, width], "int32") };
}

/** softmax(query key^T / sqrt(H)) value over the keys that a query sees, as [B, S, N, H]. */
export function fusedAttention({ query, key, value, seenUntil }: FusedAttentionInputs): Tensor {
  return differentiable({
    inputs: [query, key, value],
    forward: () => {
      const [output, logSum] = seenUntil === undefined ? runOwnKernel("Attention", { query, key, value }) : runOwnKernel("TreeAttention", { query, key, value, seenUntil });
      return { value: output, saved: [query, key, value, output, logSum, ...(seenUntil === undefined ? [] : [seenUntil])] };
    },
    backward: (dy, [query, key, value, output, logSum, seenUntil]) => {
      const given = { query, key, value, dy, output, logSum };
      return seenUntil === undefined ? runOwnKernel("AttentionGrad", given) : runOwnKernel("TreeAttentionGrad", { ...given, seenUntil });
    },
  });
}

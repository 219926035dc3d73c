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

/** The tree mask of a batch, int32: a query sees a key if key <= query < seenUntil[key]. */
export interface SeenUntil {
  /** [B, L] */
  readonly seenUntil: Tensor;
  /** [B, ceil(L / 32)]: the largest of every chunk. */
  readonly chunkSeenUntil: Tensor;
}

export interface FusedAttentionInputs {
  /** [B, S, N, H] */
  readonly query: Tensor;
  /** [B, L, K, H]; query head n reads key head floor(n / (N / K)). */
  readonly key: Tensor;
  readonly value: Tensor;
  /** Absent: every query sees every key. */
  readonly tree?: SeenUntil | undefined;
}

/** Whether the backend has the kernels. */
export function offersFusedAttention(): boolean {
  return offersOwnKernel("TreeAttention");
}

export function seenUntilTensors({ seenUntil, batchSize, length }: Pick<Batch, "seenUntil" | "batchSize" | "length">): SeenUntil {
  const chunks = Math.ceil(length / CHUNK);
  const largest = new Int32Array(batchSize * chunks);
  for (const [position, end] of seenUntil.entries()) {
    const chunk = Math.floor(position / length) * chunks + Math.floor((position % length) / CHUNK);
    largest[chunk] = Math.max(largest[chunk] ?? 0, end);
  }
  return { seenUntil: tf.tensor2d(seenUntil, [batchSize, length], "int32"), chunkSeenUntil: tf.tensor2d(largest, [batchSize, chunks], "int32") };
}

/** softmax(query key^T / sqrt(H)) value over the keys that a query sees, as [B, S, N, H]. */
export function fusedAttention({ query, key, value, tree }: FusedAttentionInputs): Tensor {
  return differentiable({
    inputs: [query, key, value],
    forward: () => {
      const [output, logSum] = tree === undefined ? runOwnKernel("Attention", { query, key, value }) : runOwnKernel("TreeAttention", { query, key, value, ...tree });
      return { value: output, saved: [query, key, value, output, logSum, ...(tree === undefined ? [] : [tree.seenUntil, tree.chunkSeenUntil])] };
    },
    backward: (dy, [query, key, value, output, logSum, seenUntil, chunkSeenUntil]) => {
      const given = { query, key, value, dy, output, logSum };
      return seenUntil === undefined || chunkSeenUntil === undefined ? runOwnKernel("AttentionGrad", given) : runOwnKernel("TreeAttentionGrad", { ...given, seenUntil, chunkSeenUntil });
    },
  });
}

/** @file Keys and values of a row and the answers that grow from it, in memory laid out once. */
import * as tf from "@tensorflow/tfjs-core";
import { borrowFloats } from "../backend/host-memory.ts";
import { invariant } from "../core/errors.ts";
import type { LlmConfig } from "./config.ts";
import type { LayerCache } from "./decoder.ts";

export interface KvCache {
  /** Positions: prompt, then room for answers. Unwritten ones are zero and must be masked. */
  readonly length: number;
  /** Stores new keys and values [1, K, S, H] of every layer from position `first` on. */
  write(first: number, fresh: readonly LayerCache[]): void;
  /** Per layer [1, K, length, H]; new handles over the same numbers, the caller's. */
  tensors(): LayerCache[];
}

/** An empty cache for a batch of one row. */
export function createKvCache(config: LlmConfig, { promptLength, capacity }: { promptLength: number; capacity: number }): KvCache {
  const headDim = config.hidden_size / config.num_attention_heads;
  const heads = config.num_key_value_heads;
  const length = promptLength + capacity;
  const layers = Array.from({ length: config.num_hidden_layers }, () => ({
    key: new Float32Array(heads * length * headDim),
    value: new Float32Array(heads * length * headDim),
  }));
  const shape: [number, number, number, number] = [1, heads, length, headDim];
  return {
    length,
    write: (first, fresh) => {
      invariant(fresh.length === layers.length, () => `a cache of ${layers.length} layers, keys of ${fresh.length}`);
      fresh.forEach(({ key, value }, layer) => {
        const stored = layers[layer];
        if (stored === undefined) return;
        copyHeads(borrowFloats(key), stored.key, { heads, headDim, length, first });
        copyHeads(borrowFloats(value), stored.value, { heads, headDim, length, first });
      });
    },
    tensors: () => layers.map(({ key, value }) => ({ key: tf.tensor4d(key, shape), value: tf.tensor4d(value, shape) })),
  };
}

function copyHeads(source: Float32Array, target: Float32Array, { heads, headDim, length, first }: { heads: number; headDim: number; length: number; first: number }): void {
  const run = source.length / heads;
  invariant(first * headDim + run <= length * headDim, () => `keys for positions ${first} to ${first + run / headDim} in a cache of ${length}`);
  for (let head = 0; head < heads; head++) target.set(source.subarray(head * run, (head + 1) * run), (head * length + first) * headDim);
}

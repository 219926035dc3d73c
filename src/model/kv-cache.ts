/**
 * @file Keys and values of answers that grow side by side, each in a slot of its own, in memory laid out once.
 * Shapes: S positions of a packed row, K key/value heads, H head size.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { borrowFloats } from "../backend/host-memory.ts";
import { invariant } from "../core/errors.ts";
import { MASKED } from "../curriculum/tree-mask.ts";
import type { LayerCache } from "./decoder.ts";

/** What the decoder remembers of some positions. */
export interface States {
  readonly length: number;
  readonly heads: number;
  readonly headDim: number;
  /** [K, length, H] each. */
  readonly layers: readonly LayerStates[];
}

interface LayerStates {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** A copy of the given positions of a row whose layers are [1, K, S, H]. */
export function statesAt(row: readonly LayerCache[], positions: readonly number[]): States {
  const [, heads = 0, rowLength = 0, headDim = 0] = row[0]?.key.shape ?? [];
  const pick = (tensor: Tensor): Float32Array => {
    const numbers = borrowFloats(tensor);
    const picked = new Float32Array(heads * positions.length * headDim);
    let to = 0;
    for (let head = 0; head < heads; head++) {
      for (const position of positions) {
        const from = (head * rowLength + position) * headDim;
        picked.set(numbers.subarray(from, from + headDim), to);
        to += headDim;
      }
    }
    return picked;
  };
  return { length: positions.length, heads, headDim, layers: row.map(({ key, value }) => ({ key: pick(key), value: pick(value) })) };
}

export interface CacheSize {
  readonly slots: number;
  /** Positions of a slot. */
  readonly capacity: number;
}

export class KvCache {
  readonly slots: number;
  readonly capacity: number;
  readonly #heads: number;
  readonly #headDim: number;
  /** [slots, K, capacity, H] each. Zero at first, never arbitrary: what is masked still counts, times zero. */
  readonly #layers: readonly LayerStates[];
  /** [slots, 1, capacity + 1] */
  readonly #bias: Float32Array;
  readonly #lengths: number[];

  /** An empty cache for states like `like`. */
  constructor({ heads, headDim, layers }: Omit<States, "length">, { slots, capacity }: CacheSize) {
    const size = slots * heads * capacity * headDim;
    this.slots = slots;
    this.capacity = capacity;
    this.#heads = heads;
    this.#headDim = headDim;
    this.#layers = layers.map(() => ({ key: new Float32Array(size), value: new Float32Array(size) }));
    this.#bias = new Float32Array(slots * (capacity + 1)).fill(MASKED);
    this.#lengths = new Array<number>(slots).fill(0);
    for (let slot = 0; slot < slots; slot++) this.#clear(slot);
  }

  /** Begins a slot anew with what is known of a prompt. */
  fill(slot: number, { layers, length }: States): void {
    this.#clear(slot);
    this.#write(slot, { layers, length });
  }

  /** Adds a position to each of `slots`: its own in layers [all slots, K, 1, H]. */
  append(slots: readonly number[], fresh: readonly LayerCache[]): void {
    const width = this.#heads * this.#headDim;
    const layers = fresh.map(({ key, value }) => ({ key: borrowFloats(key), value: borrowFloats(value) }));
    for (const slot of slots) {
      const own = (numbers: Float32Array): Float32Array => numbers.subarray(slot * width, (slot + 1) * width);
      this.#write(slot, { length: 1, layers: layers.map(({ key, value }) => ({ key: own(key), value: own(value) })) });
    }
  }

  /** Per layer [slots, K, capacity, H]; new handles over the same numbers, the caller's. */
  tensors(): LayerCache[] {
    const shape: [number, number, number, number] = [this.slots, this.#heads, this.capacity, this.#headDim];
    return this.#layers.map(({ key, value }) => ({ key: tf.tensor4d(key, shape), value: tf.tensor4d(value, shape) }));
  }

  /** [slots, 1, capacity + 1]: a new token sees its slot's positions so far and itself. A new handle, the caller's. */
  bias(): Tensor {
    return tf.tensor3d(this.#bias, [this.slots, 1, this.capacity + 1]);
  }

  #clear(slot: number): void {
    const end = (slot + 1) * (this.capacity + 1);
    this.#bias.fill(MASKED, end - this.capacity - 1, end - 1);
    this.#bias[end - 1] = 0;
    this.#lengths[slot] = 0;
  }

  #write(slot: number, { layers, length }: Pick<States, "layers" | "length">): void {
    const before = this.#lengths[slot];
    invariant(layers.length === this.#layers.length, () => `states of ${layers.length} layers for a cache of ${this.#layers.length}`);
    invariant(before !== undefined && before + length <= this.capacity, () => `${length} more positions for slot ${slot}, which holds ${before ?? "none"} of ${this.capacity}`);
    const run = length * this.#headDim;
    const copy = (source: Float32Array, target: Float32Array): void => {
      for (let head = 0; head < this.#heads; head++) {
        target.set(source.subarray(head * run, (head + 1) * run), ((slot * this.#heads + head) * this.capacity + before) * this.#headDim);
      }
    };
    this.#layers.forEach((own, layer) => {
      const added = layers[layer];
      if (added === undefined) return;
      copy(added.key, own.key);
      copy(added.value, own.value);
    });
    const first = slot * (this.capacity + 1) + before;
    this.#bias.fill(0, first, first + length);
    this.#lengths[slot] = before + length;
  }
}

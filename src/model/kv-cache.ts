/**
 * @file Keys and values of answers that grow side by side, each in a slot of its own, in memory laid out once.
 * Shapes: S positions of a packed row, K key/value heads, H head size.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { invariant } from "../core/errors.ts";
import { MASKED } from "../curriculum/tree-mask.ts";
import { copyRows, type RowMap } from "./copy-rows.ts";
import type { LayerCache } from "./decoder.ts";

/** What the decoder remembers of some positions. */
export interface States {
  readonly length: number;
  readonly heads: number;
  readonly headDim: number;
  /** [K * length, H] each. */
  readonly layers: readonly LayerCache[];
}

/** A copy of the given positions of a row whose layers are [1, K, S, H]; outlives any tf.tidy, `disposeStates` frees it. */
export function statesAt(row: readonly LayerCache[], positions: readonly number[]): States {
  const [, heads = 0, rowLength = 0, headDim = 0] = row[0]?.key.shape ?? [];
  const index = Int32Array.from({ length: heads * positions.length }, (_, i) => Math.floor(i / positions.length) * rowLength + (positions[i % positions.length] ?? 0));
  const layers: LayerCache[] = [];
  tf.tidy(() => {
    const chosen = tf.tensor1d(index, "int32");
    const pick = (tensor: Tensor): Tensor => tf.keep(tf.gather(tf.reshape(tensor, [-1, headDim]), chosen));
    for (const { key, value } of row) layers.push({ key: pick(key), value: pick(value) });
  });
  return { length: positions.length, heads, headDim, layers };
}

export function disposeStates({ layers }: States): void {
  tf.dispose(tensorsOf(layers));
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
  /** [slots, K, capacity, H] each. Zero at first, never arbitrary: what is masked still counts, times zero. */
  #layers: readonly LayerCache[];
  /** [slots, 1, capacity + 1] */
  readonly #bias: Float32Array;
  readonly #lengths: number[];

  /** An empty cache for states like `like`; outlives any tf.tidy. */
  constructor({ heads, headDim, layers }: Omit<States, "length">, { slots, capacity }: CacheSize) {
    const zeros = (): Tensor => tf.keep(tf.fill([slots, heads, capacity, headDim], 0, "float32"));
    this.slots = slots;
    this.capacity = capacity;
    this.#heads = heads;
    this.#layers = layers.map(() => ({ key: zeros(), value: zeros() }));
    this.#bias = new Float32Array(slots * (capacity + 1)).fill(MASKED);
    this.#lengths = new Array<number>(slots).fill(0);
    for (let slot = 0; slot < slots; slot++) this.#clear(slot);
  }

  /** Begins a slot anew with what is known of a prompt. */
  fill(slot: number, { layers, length }: States): void {
    this.#clear(slot);
    this.#write([slot], { layers, length, first: () => 0 });
  }

  /** Adds a position to each of `slots`: its own in layers [all slots, K, 1, H]. */
  append(slots: readonly number[], fresh: readonly LayerCache[]): void {
    this.#write(slots, { layers: fresh, length: 1, first: (slot) => slot * this.#heads });
  }

  /** Per layer [slots, K, capacity, H]; borrowed until the next `fill` or `append`. */
  tensors(): readonly LayerCache[] {
    return this.#layers;
  }

  /** [slots, 1, capacity + 1]: a new token sees its slot's positions so far and itself. A new handle, the caller's, to be used before the next `fill` or `append`. */
  bias(): Tensor {
    return tf.tensor3d(this.#bias, [this.slots, 1, this.capacity + 1]);
  }

  dispose(): void {
    tf.dispose(tensorsOf(this.#layers));
  }

  #clear(slot: number): void {
    const end = (slot + 1) * (this.capacity + 1);
    this.#bias.fill(MASKED, end - this.capacity - 1, end - 1);
    this.#bias[end - 1] = 0;
    this.#lengths[slot] = 0;
  }

  /** `first`: the row of the sources where a slot's heads begin, each with `length` rows. */
  #write(slots: readonly number[], { layers, length, first }: Pick<States, "layers" | "length"> & { readonly first: (slot: number) => number }): void {
    invariant(layers.length === this.#layers.length, () => `states of ${layers.length} layers for a cache of ${this.#layers.length}`);
    for (const slot of slots) {
      const before = this.#lengths[slot];
      invariant(before !== undefined && before + length <= this.capacity, () => `${length} more positions for slot ${slot}, which holds ${before ?? "none"} of ${this.capacity}`);
    }
    const sources = tensorsOf(layers);
    const targets = copyRows(tensorsOf(this.#layers).map((target, i) => ({ source: sources[i] ?? target, target })), this.#rowMap(slots, length, first));
    this.#layers = layersOf(targets);
    for (const slot of slots) {
      const before = this.#lengths[slot] ?? 0;
      const position = slot * (this.capacity + 1) + before;
      this.#bias.fill(0, position, position + length);
      this.#lengths[slot] = before + length;
    }
  }

  #rowMap(slots: readonly number[], length: number, first: (slot: number) => number): RowMap {
    const heads = this.#heads;
    const from = new Int32Array(slots.length * heads * length);
    const to = new Int32Array(from.length);
    let row = 0;
    for (const slot of slots) {
      for (let head = 0; head < heads; head++) {
        const start = (slot * heads + head) * this.capacity + (this.#lengths[slot] ?? 0);
        for (let i = 0; i < length; i++, row++) {
          from[row] = first(slot) + head * length + i;
          to[row] = start + i;
        }
      }
    }
    return { from, to };
  }
}

/** Key and value of every layer, one behind the other. */
function tensorsOf(layers: readonly LayerCache[]): Tensor[] {
  return layers.flatMap(({ key, value }) => [key, value]);
}

function layersOf(tensors: readonly Tensor[]): LayerCache[] {
  return tensors.flatMap((key, i) => {
    const value = tensors[i + 1];
    return i % 2 === 1 || value === undefined ? [] : [{ key, value }];
  });
}

import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, expect, test } from "vitest";
import { createKvCache } from "../../src/model/kv-cache.ts";
import { emptyStore, toyConfig } from "./toy-model.ts";

/** Two layers, two key heads of size 2, so that every number can be followed. */
const CONFIG = { ...toyConfig.llm_config, hidden_size: 8, num_attention_heads: 4, num_key_value_heads: 2, num_hidden_layers: 2 };

beforeEach(async () => {
  await emptyStore(); // for its backend
});

/** [1, 2 heads, positions, 2]: the numbers of head 0, then of head 1, two a position. */
function heads(first: readonly number[], second: readonly number[]): tf.Tensor {
  return tf.tensor4d([...first, ...second], [1, 2, first.length / 2, 2]);
}

/** Values are keys plus a half. */
function layer(scale: number, first: readonly number[], second: readonly number[]): { key: tf.Tensor; value: tf.Tensor } {
  const scaled = [first, second].map((each) => each.map((x) => x * scale)) as [number[], number[]];
  const moved = scaled.map((each) => each.map((x) => x + 0.5)) as [number[], number[]];
  return { key: heads(...scaled), value: heads(...moved) };
}

test("prompt and later tokens land behind each other in every head of every layer; the rest is zero", () => {
  const cache = createKvCache(CONFIG, { promptLength: 2, capacity: 3 });

  cache.write(0, [layer(1, [1, 2, 3, 4], [11, 12, 13, 14]), layer(100, [1, 2, 3, 4], [11, 12, 13, 14])]);
  cache.write(3, [layer(1, [7, 8], [17, 18]), layer(100, [7, 8], [17, 18])]);
  const [first, second] = cache.tensors();

  expect(cache.length).toBe(5);
  expect(first?.key.shape).toEqual([1, 2, 5, 2]);
  expect([...first!.key.dataSync()]).toEqual([1, 2, 3, 4, 0, 0, 7, 8, 0, 0, 11, 12, 13, 14, 0, 0, 17, 18, 0, 0]);
  expect([...first!.value.dataSync()]).toEqual([1.5, 2.5, 3.5, 4.5, 0, 0, 7.5, 8.5, 0, 0, 11.5, 12.5, 13.5, 14.5, 0, 0, 17.5, 18.5, 0, 0]);
  expect([...second!.key.dataSync()]).toEqual([100, 200, 300, 400, 0, 0, 700, 800, 0, 0, 1100, 1200, 1300, 1400, 0, 0, 1700, 1800, 0, 0]);
});

test("the handles are the caller's; the numbers survive them", () => {
  const cache = createKvCache(CONFIG, { promptLength: 1, capacity: 0 });
  cache.write(0, [layer(1, [5, 5], [6, 6]), layer(1, [7, 7], [8, 8])]);
  const before = tf.memory().numTensors;

  tf.dispose(cache.tensors().flatMap(({ key, value }) => [key, value]));

  expect(tf.memory().numTensors).toBe(before);
  expect([...cache.tensors()[1]!.key.dataSync()]).toEqual([7, 7, 8, 8]);
});

test("more positions than there is room for, or another number of layers, is an internal error", () => {
  const cache = createKvCache(CONFIG, { promptLength: 2, capacity: 1 });
  const two = layer(1, [1, 2, 3, 4], [5, 6, 7, 8]);

  expect(() => cache.write(2, [two, two])).toThrow("keys for positions 2 to 4 in a cache of 3");
  expect(() => cache.write(0, [two])).toThrow("a cache of 2 layers, keys of 1");
});

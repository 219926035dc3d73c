import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, expect, test } from "vitest";
import { createKvCache } from "../../src/model/kv-cache.ts";
import { emptyStore, toyConfig } from "./toy-model.ts";

/** Two layers, two key heads of size 1, so that every number can be followed. */
const CONFIG = { ...toyConfig.llm_config, hidden_size: 4, num_attention_heads: 4, num_key_value_heads: 2, num_hidden_layers: 2 };

beforeEach(async () => {
  await emptyStore(); // for its backend
});

/** [1, 2 heads, positions, 1]: the numbers of head 0, then of head 1. */
function heads(first: readonly number[], second: readonly number[]): tf.Tensor {
  return tf.tensor4d([...first, ...second], [1, 2, first.length, 1]);
}

function layer(scale: number, ...[first, second]: [readonly number[], readonly number[]]): { key: tf.Tensor; value: tf.Tensor } {
  return { key: heads(first.map((x) => x * scale), second.map((x) => x * scale)), value: heads(first.map((x) => -x * scale), second.map((x) => -x * scale)) };
}

test("prompt and later tokens land behind each other in every head of every layer; the rest is zero", () => {
  const cache = createKvCache(CONFIG, { promptLength: 2, capacity: 3 });

  cache.write(0, [layer(1, [1, 2], [11, 12]), layer(100, [1, 2], [11, 12])]);
  cache.write(3, [layer(1, [4], [14]), layer(100, [4], [14])]);
  const [first, second] = cache.tensors();

  expect(cache.length).toBe(5);
  expect(first?.key.shape).toEqual([1, 2, 5, 1]);
  expect([...first!.key.dataSync()]).toEqual([1, 2, 0, 4, 0, 11, 12, 0, 14, 0]);
  expect([...first!.value.dataSync()].map((x) => x + 0)).toEqual([-1, -2, 0, -4, 0, -11, -12, 0, -14, 0]);
  expect([...second!.key.dataSync()]).toEqual([100, 200, 0, 400, 0, 1100, 1200, 0, 1400, 0]);
});

test("the handles are the caller's; the numbers survive them", () => {
  const cache = createKvCache(CONFIG, { promptLength: 1, capacity: 0 });
  cache.write(0, [layer(1, [5], [6]), layer(1, [7], [8])]);
  const before = tf.memory().numTensors;

  tf.dispose(cache.tensors().flatMap(({ key, value }) => [key, value]));

  expect(tf.memory().numTensors).toBe(before);
  expect([...cache.tensors()[1]!.key.dataSync()]).toEqual([7, 8]);
});

test("more positions than there is room for, or another number of layers, is an internal error", () => {
  const cache = createKvCache(CONFIG, { promptLength: 2, capacity: 1 });
  const two = layer(1, [1, 2], [3, 4]);

  expect(() => cache.write(2, [two, two])).toThrow("keys for positions 2 to 4 in a cache of 3");
  expect(() => cache.write(0, [two])).toThrow("a cache of 2 layers, keys of 1");
});

import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, test } from "vitest";
import { tidied } from "../../src/backend/tidied.ts";
import { decodeWithCache } from "../../src/model/decoder.ts";
import { embedBatch, hiddenStates, logitsAt, PARTS } from "../../src/model/emoverse.ts";
import { disposeStates, KvCache, type States, statesAt } from "../../src/model/kv-cache.ts";
import type { ParamStore } from "../../src/model/params.ts";
import { MASKED } from "../../src/curriculum/tree-mask.ts";
import { toyWeights } from "../train/toy-rows.ts";
import { relativeError, useBackend } from "./support.ts";
import { emptyStore, toyConfig } from "./toy-model.ts";

describe("by hand", () => {
  beforeEach(async () => {
    await emptyStore(); // for its backend
  });

  /** [1, 2 heads, positions, 2]: the numbers of head 0, then of head 1, two a position. */
  function heads(first: readonly number[], second: readonly number[]): tf.Tensor {
    return tf.tensor4d([...first, ...second], [1, 2, first.length / 2, 2]);
  }

  /** One layer's keys in two heads of size 2; values are keys plus a half. */
  function layer(key: tf.Tensor): { key: tf.Tensor; value: tf.Tensor } {
    return { key, value: tf.add(key, 0.5) };
  }

  const states = (...layers: { key: tf.Tensor; value: tf.Tensor }[]): States => statesAt(layers, [...Array(layers[0]!.key.shape[2]).keys()]);

  test("states are the chosen positions of every head, in order", () => {
    const row = [layer(heads([1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16]))];

    const { length, heads: count, headDim, layers } = statesAt(row, [0, 2]);

    expect([length, count, headDim, layers.length]).toEqual([2, 2, 2, 1]);
    expect([...layers[0]!.key.dataSync()]).toEqual([1, 2, 5, 6, 11, 12, 15, 16]);
    expect([...layers[0]!.value.dataSync()]).toEqual([1.5, 2.5, 5.5, 6.5, 11.5, 12.5, 15.5, 16.5]);
  });

  test("every slot holds its prompt and, behind it, the tokens added to it; the rest is zero and masked", () => {
    const [one, two] = [states(layer(heads([1, 2, 3, 4], [11, 12, 13, 14])), layer(heads([100, 200, 300, 400], [5, 6, 7, 8]))), states(layer(heads([9, 9], [8, 8])), layer(heads([0, 0], [0, 0])))];
    const cache = new KvCache(one, { slots: 2, capacity: 3 });
    const fresh = layer(tf.tensor4d([21, 22, 23, 24, 31, 32, 33, 34], [2, 2, 1, 2])); // slot 0: heads 21 22 and 23 24

    cache.fill(0, one);
    cache.fill(1, two);
    cache.append([0], [fresh, fresh]);
    cache.append([1], [fresh, fresh]);
    const [first, second] = cache.tensors();

    expect(first!.key.shape).toEqual([2, 2, 3, 2]);
    expect([...first!.key.dataSync()]).toEqual([1, 2, 3, 4, 21, 22, 11, 12, 13, 14, 23, 24, 9, 9, 31, 32, 0, 0, 8, 8, 33, 34, 0, 0]);
    expect([...first!.value.dataSync()]).toEqual([1.5, 2.5, 3.5, 4.5, 21.5, 22.5, 11.5, 12.5, 13.5, 14.5, 23.5, 24.5, 9.5, 9.5, 31.5, 32.5, 0, 0, 8.5, 8.5, 33.5, 34.5, 0, 0]);
    expect([...second!.key.dataSync()].slice(0, 6)).toEqual([100, 200, 300, 400, 21, 22]);
    expect(cache.bias().shape).toEqual([2, 1, 4]);
    expect([...cache.bias().dataSync()]).toEqual([0, 0, 0, 0, 0, 0, Math.fround(MASKED), 0]);
  });

  test("a slot that is filled again forgets what it held; an empty one sees the new token alone", () => {
    const [long, short] = [states(layer(heads([1, 2, 3, 4], [5, 6, 7, 8]))), states(layer(heads([9, 9], [9, 9])))];
    const cache = new KvCache(long, { slots: 2, capacity: 2 });

    cache.fill(0, long);
    cache.fill(0, short);

    const masked = Math.fround(MASKED);
    expect([...cache.bias().dataSync()]).toEqual([0, masked, 0, masked, masked, 0]);
    expect([...cache.tensors()[0]!.key.dataSync()].slice(0, 2)).toEqual([9, 9]);
  });

  test("states outlive tf.tidy and the row they come from; cache and states are freed whole", () => {
    const before = tf.memory().numTensors;
    const one = tidied(() => states(layer(heads([5, 5], [6, 6]))));
    const cache = tidied(() => new KvCache(one, { slots: 1, capacity: 1 }));
    cache.fill(0, one);

    expect([...cache.tensors()[0]!.key.dataSync()]).toEqual([5, 5, 6, 6]);
    expect(tf.memory().numTensors).toBe(before + 4);

    disposeStates(one);
    cache.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test("more positions than there is room for, no such slot, or another number of layers, is an internal error", () => {
    const two = states(layer(heads([1, 2, 3, 4], [5, 6, 7, 8])));
    const cache = new KvCache(two, { slots: 1, capacity: 2 });
    const token = layer(heads([1, 2], [3, 4]));

    expect(() => new KvCache(two, { slots: 1, capacity: 1 }).fill(0, two)).toThrow("2 more positions for slot 0, which holds 0 of 1");
    cache.fill(0, two);
    expect(() => cache.append([0], [token])).toThrow("1 more positions for slot 0, which holds 2 of 2");
    expect(() => cache.append([1], [token])).toThrow("1 more positions for slot 1, which holds none of 2");
    expect(() => cache.fill(0, { ...two, layers: [...two.layers, ...two.layers] })).toThrow("states of 2 layers for a cache of 1");
  });
});

describe.each(["cpu", "onnxruntime"])("on %s", (backend) => {
  let params: ParamStore;

  beforeEach(async () => {
    await useBackend(backend);
    params = toyWeights();
  });

  test("the logits of tokens added one by one, beside others and an empty slot, are those of whole forward passes", { timeout: 60_000 }, () => {
    const texts = [[3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5], [2, 7, 1, 8]];
    const prompts = [7, 2];
    const read = texts.map((ids, i) => readStates(params, ids.slice(0, prompts[i])));
    const cache = new KvCache(read[0]!, { slots: 3, capacity: 11 });
    read.forEach((states, i) => cache.fill(2 * i, states)); // slots 0 and 2

    let compared = 0;
    for (let step = 0; step < 2; step++) {
      const ids = [texts[0]![7 + step]!, 0, texts[1]![2 + step]!];
      const { logits, fresh } = nextLogits(params, cache, { ids, positions: [7 + step, 0, 2 + step] });
      cache.append([0, 2], fresh);
      texts.forEach((text, i) => {
        const expected = wholeLogits(params, text.slice(0, prompts[i]! + step + 1));
        expect(relativeError(tf.slice(logits, [2 * i, 0], [1, 32]), expected)).toBeLessThan(1e-4);
        compared += 1;
      });
    }
    expect(compared).toBe(4);
  });
});

function readStates(params: ParamStore, ids: readonly number[]): States {
  return statesAt(forward(params, ids).fresh, [...ids.keys()]);
}

function wholeLogits(params: ParamStore, ids: readonly number[]): tf.Tensor {
  const inputs = textInputs(params, ids);
  return logitsAt(params, toyConfig, hiddenStates(params, toyConfig, inputs), Int32Array.of(ids.length - 1));
}

function forward(params: ParamStore, ids: readonly number[]): ReturnType<typeof decodeWithCache> {
  return decodeWithCache(params.scope(PARTS.decoder), toyConfig.llm_config, textInputs(params, ids));
}

function textInputs(params: ParamStore, ids: readonly number[]): { embeds_BSD: tf.Tensor; positionIds: Int32Array; bias_BSL: tf.Tensor } {
  const batch = { batchSize: 1, length: ids.length, inputIds: Int32Array.from(ids), featureIndex: new Int32Array(ids.length).fill(-1) };
  const causal = ids.map((_, query) => ids.map((__, key) => (key <= query ? 0 : MASKED)));
  return { embeds_BSD: embedBatch(params, toyConfig, batch, {}), positionIds: Int32Array.from(ids.keys()), bias_BSL: tf.tensor3d([causal]) };
}

function nextLogits(params: ParamStore, cache: KvCache, { ids, positions }: { ids: readonly number[]; positions: readonly number[] }): { logits: tf.Tensor; fresh: ReturnType<typeof decodeWithCache>["fresh"] } {
  const batch = { batchSize: ids.length, length: 1, inputIds: Int32Array.from(ids), featureIndex: new Int32Array(ids.length).fill(-1) };
  const { hidden_BSD, fresh } = decodeWithCache(params.scope(PARTS.decoder), toyConfig.llm_config, { embeds_BSD: embedBatch(params, toyConfig, batch, {}), positionIds: Int32Array.from(positions), bias_BSL: cache.bias(), past: cache.tensors() });
  return { logits: logitsAt(params, toyConfig, tf.reshape(hidden_BSD, [ids.length, -1]), Int32Array.from(ids.keys())), fresh };
}

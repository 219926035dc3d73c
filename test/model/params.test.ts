import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { borrowFloats } from "../../src/backend/host-memory.ts";
import { selectBackend } from "../../src/backend/select.ts";
import { ParamStore } from "../../src/model/params.ts";

const addOne = (values: Float32Array): void => values.forEach((value, i) => (values[i] = value + 1));

describe.each(["cpu", "onnxruntime"])("on %s", (backend) => {
  let store: ParamStore;
  beforeEach(async () => {
    await selectBackend(backend);
    store = new ParamStore();
  });
  afterEach(() => store.dispose());

  test("the first update copies, later ones work in place", () => {
    store.set("w", tf.tensor2d([1, 2, 3, 4], [2, 2]));
    const before = store.get("w");
    const bytes = tf.memory().numBytes;

    store.update("w", addOne);
    const first = store.get("w");
    store.update("w", addOne);

    expect(before.isDisposed).toBe(true);
    expect(store.get("w")).toBe(first);
    expect(first.shape).toEqual([2, 2]);
    expect([...borrowFloats(first)]).toEqual([3, 4, 5, 6]);
    expect(tf.memory().numBytes).toBe(bytes);
  });

  test("an update never touches memory that somebody else gave", () => {
    const given = Float32Array.of(1, 2);
    store.set("w", tf.tensor1d(given));

    store.update("w", addOne);
    store.update("w", addOne);

    expect([...given]).toEqual([1, 2]);
    expect([...borrowFloats(store.get("w"))]).toEqual([3, 4]);
  });

  test("an update never touches a tensor that shares its memory", () => {
    const other = tf.tensor1d([1, 2]);
    store.set("w", other.clone());

    store.update("w", addOne);
    store.update("w", addOne);

    expect([...other.dataSync()]).toEqual([1, 2]);
    other.dispose();
  });

  test("a weight that was set anew counts as somebody else's again", () => {
    store.set("w", tf.tensor1d([1]));
    store.update("w", addOne);
    const given = Float32Array.of(10);
    store.set("w", tf.tensor1d(given));

    store.update("w", addOne);

    expect([...given]).toEqual([10]);
    expect([...borrowFloats(store.get("w"))]).toEqual([11]);
  });

  test("an update inside tf.tidy outlives it", () => {
    store.set("w", tf.keep(tf.tensor1d([1])));

    tf.tidy(() => store.update("w", addOne));

    expect([...borrowFloats(store.get("w"))]).toEqual([2]);
  });
});

test("an unknown name is answered with the nearest ones", async () => {
  await selectBackend("cpu");
  const store = new ParamStore();
  store.set("layers.0.weight", tf.scalar(1));

  expect(() => store.get("layers.0.wieght")).toThrow('no parameter "layers.0.wieght"; nearest: layers.0.weight');
  expect(() => store.scope("layers.7").get("bias")).toThrow('no parameter "layers.7.bias"');
  store.dispose();
});

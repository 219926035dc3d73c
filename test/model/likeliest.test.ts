import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { likeliestTokens, likeliestOnDevice, readTokens } from "../../src/model/likeliest.ts";
import { ParamStore } from "../../src/model/params.ts";
import { useDeviceDouble } from "../backend/device-double.ts";
import { useBackend } from "./support.ts";
import { toyConfig } from "./toy-model.ts";

const BACKENDS = [
  ["cpu", () => useBackend("cpu")],
  ["onnxruntime", () => useBackend("onnxruntime")],
  ["a device", () => useDeviceDouble({ ownKernels: false })],
] as const;

test.each(BACKENDS)("the first of the largest logits of every position: %s", async (_, use) => {
  await use();
  const params = new ParamStore();
  params.set("language_model.lm_head.weight", tf.cast(tf.oneHot(tf.tensor1d([2, 0, 1, 0, 1], "int32"), 3), "float32")); // logits: state[2, 0, 1, 0, 1]
  const before = tf.memory().numTensors;
  const states = tf.tensor3d([[[-5, 7, -5], [9, 1, 9]], [[0, 0, 0], [-3, -2, -4]]]);

  const tokens = await readTokens(likeliestTokens(params, toyConfig, states, [0, 1, 2, 3]));

  states.dispose();
  expect(tokens).toEqual([2, 0, 0, 2]);
  expect(tf.memory().numTensors).toBe(before);
  params.dispose();
});

test("on a device too, infinite logits are numbers like others, and a row of NaN gives a token that exists", async () => {
  await useDeviceDouble({ ownKernels: false });
  const logits = tf.tensor2d([[-Infinity, -Infinity, 3], [1, Infinity, Infinity], [-Infinity, -Infinity, -Infinity], [NaN, NaN, NaN]]);

  expect(await readTokens(likeliestOnDevice(logits))).toEqual([2, 1, 0, 2]);
});

test("ids are exact in a vocabulary of real size", async () => {
  await useDeviceDouble({ ownKernels: false });
  const logits = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d([151_654, 100_001, 0], "int32"), 151_655), "float32"));

  expect(await readTokens(likeliestOnDevice(logits))).toEqual([151_654, 100_001, 0]);
});

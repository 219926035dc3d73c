import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { readFloats } from "../../src/backend/host-memory.ts";
import { copyRows } from "../../src/model/copy-rows.ts";
import { useDeviceDouble } from "../backend/device-double.ts";
import { useBackend } from "./support.ts";

const BACKENDS = [
  ["cpu", () => useBackend("cpu"), "in place"],
  ["onnxruntime", () => useBackend("onnxruntime"), "in place"],
  ["a device with the kernel", () => useDeviceDouble({ ownKernels: true }), "in place"],
  ["a device without it", () => useDeviceDouble({ ownKernels: false }), "in a new tensor"],
] as const;

test.each(BACKENDS)("rows land where they are sent, runs and single ones, for every pair, and all else stays: %s", async (_, use, where) => {
  await use();
  const before = tf.memory().numTensors;
  const sources = [tf.tensor3d([1, 2, 3, 4, 5, 6, 7, 8], [2, 2, 2]), tf.tensor2d([10, 20, 30, 40, 50, 60, 70, 80], [4, 2])];
  const targets = [tf.fill([5, 2], 0), tf.fill([5, 1, 2], -1)];

  const copied = copyRows(
    sources.map((source, i) => ({ source, target: targets[i]! })),
    { from: Int32Array.of(1, 2, 0, 3), to: Int32Array.of(0, 1, 4, 3) },
  );

  expect(copied.map(({ shape }) => shape)).toEqual([[5, 2], [5, 1, 2]]);
  expect([...(await readFloats(copied[0]!))]).toEqual([3, 4, 5, 6, 0, 0, 7, 8, 1, 2]);
  expect([...(await readFloats(copied[1]!))]).toEqual([30, 40, 50, 60, -1, -1, 70, 80, 10, 20]);
  copied.forEach((tensor, i) => expect(tensor === targets[i]).toBe(where === "in place"));
  tf.dispose([...sources, ...copied]);
  expect(tf.memory().numTensors).toBe(before);
});

test.each(BACKENDS)("the result outlives tf.tidy: %s", async (_, use) => {
  await use();
  const target = tf.fill([2, 2], 0);
  let copied: tf.Tensor[] = [];

  tf.tidy(() => {
    copied = copyRows([{ source: tf.tensor2d([[1, 2]]), target }], { from: Int32Array.of(0), to: Int32Array.of(1) });
  });

  expect([...(await readFloats(copied[0]!))]).toEqual([0, 0, 1, 2]);
  tf.dispose(copied);
});

import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, test } from "vitest";
import { borrowFloats, hostFloats } from "../../src/backend/host-memory.ts";
import { selectBackend } from "../../src/backend/select.ts";

describe.each(["cpu", "onnxruntime"])("on %s", (name) => {
  beforeEach(async () => {
    await selectBackend(name);
  });

  test("the numbers are those of the tensor, and the same memory at every call", () => {
    const tensor = tf.mul(tf.tensor1d([1, 2, 3]), tf.scalar(2));

    const floats = borrowFloats(tensor);

    expect([...floats]).toEqual([2, 4, 6]);
    expect(borrowFloats(tensor)).toBe(floats);
    expect(hostFloats(tensor)).toBe(floats);
    tensor.dispose();
  });

  test("what is changed in host memory is what later operations see", () => {
    const tensor = tf.tensor1d([1, 2]);

    hostFloats(tensor)?.set([10], 0);

    expect([...tf.add(tensor, tf.scalar(1)).dataSync()]).toEqual([11, 3]);
    tensor.dispose();
  });

  test("integers are no floats", () => {
    expect(hostFloats(tf.tensor1d([1, 2], "int32"))).toBeUndefined();
  });
});

test("reading numbers where they are keeps their memory in use; dataSync takes it out", async () => {
  await selectBackend("onnxruntime");
  const pooledBytes = (): unknown => Reflect.get(tf.memory(), "pooledBytes");
  const square = (): tf.Tensor => tf.square(tf.tensor1d(new Float32Array(1000).fill(2)));
  const borrowed = square();
  borrowFloats(borrowed);

  borrowed.dispose();
  const afterBorrowing = pooledBytes();
  const read = square(); // takes the buffer that has just come back
  const kept = read.dataSync();
  read.dispose();
  const afterReading = pooledBytes();
  square().dispose();

  expect(Number(afterBorrowing) - Number(afterReading)).toBe(4000);
  expect(kept.every((value) => value === 4)).toBe(true);
});

test("memory is steady over 300 steps of tensors made and freed", async () => {
  await selectBackend("onnxruntime");
  const weights = tf.fill([128, 128], 0.01);
  const step = (): void => {
    const mean = tf.tidy(() => {
      let x: tf.Tensor = tf.fill([128, 128], 1);
      for (let layer = 0; layer < 4; layer++) x = tf.tanh(tf.matMul(x, weights));
      return tf.mean(x);
    });
    expect(borrowFloats(mean)[0]).toBeCloseTo(1, 0);
    mean.dispose();
  };
  for (let i = 0; i < 20; i++) step();
  const before = { ...tf.memory(), rss: process.memoryUsage().rss };

  for (let i = 0; i < 300; i++) step();

  expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numDataBuffers: before.numDataBuffers, numBytes: before.numBytes });
  // Outputs that nobody reuses would be 300 * 8 * 64 KiB = 150 MiB.
  expect((process.memoryUsage().rss - before.rss) / 2 ** 20).toBeLessThan(40);
  weights.dispose();
});

import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, test } from "vitest";
import { borrowFloats, hasHostMemory, hostFloats, readFloats } from "../../src/backend/host-memory.ts";
import { selectBackend } from "../../src/backend/select.ts";
import { useDeviceDouble } from "./device-double.ts";

describe.each(["cpu", "onnxruntime"])("on %s", (name) => {
  beforeEach(async () => {
    await selectBackend(name);
  });

  test("reading gives the tensor's own memory, whichever way", async () => {
    const tensor = tf.mul(tf.tensor1d([1, 2]), 3);

    expect(hasHostMemory()).toBe(true);
    expect(await readFloats(tensor)).toBe(hostFloats(tensor));
    expect([...borrowFloats(tensor)]).toEqual([3, 6]);
    tensor.dispose();
  });
});

test("from a device come copies, asynchronously alone", async () => {
  const { reads } = await useDeviceDouble({ ownKernels: false });
  const tensor = tf.mul(tf.tensor1d([1, 2]), 3);

  const first = await readFloats(tensor);
  const second = await readFloats(tensor);

  expect([...first, ...second]).toEqual([3, 6, 3, 6]);
  expect(second).not.toBe(first);
  expect(reads()).toBe(2);
  expect(hasHostMemory()).toBe(false);
  expect(hostFloats(tensor)).toBeUndefined();
  expect(() => borrowFloats(tensor)).toThrow("the backend device-double has no numbers in this process's memory: they are to be read by readFloats");
  tensor.dispose();
});

test("what went wrong on the device is thrown in place of its numbers, and in place of the error that a read ends with", async () => {
  const failure = new Error("the device was lost");
  await useDeviceDouble({ ownKernels: false, device: { failure: () => failure } });
  const [tensor, gone] = [tf.tensor1d([1]), tf.tensor1d([1])];
  gone.data = () => Promise.reject(new Error("no buffer"));

  await expect(readFloats(tensor)).rejects.toBe(failure);
  await expect(readFloats(gone)).rejects.toBe(failure);
  await useDeviceDouble({ ownKernels: false });
  await expect(readFloats(gone)).rejects.toThrow("no buffer");
});

test("the copy that tfjs keeps of what was read is dropped", async () => {
  const forgotten: object[] = [];
  await useDeviceDouble({ ownKernels: false, device: { forgetCopy: (dataId) => forgotten.push(dataId) } });
  const tensor = tf.tensor1d([1, 2]);

  await readFloats(tensor);

  expect(forgotten).toEqual([tensor.dataId]);
});

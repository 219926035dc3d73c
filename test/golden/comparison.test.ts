import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { useCpuBackend } from "../model/support.ts";
import { absolute, bytes, exact, ofMaximum, relative } from "./comparison.ts";

beforeAll(useCpuBackend);

test("the difference is taken relative to the largest expected value, masked rows left out", () => {
  const expected = tf.tensor2d([[1, -4], [2, 100]]);
  const actual = tf.tensor2d([[1, -4.0002], [2, 0]]);

  expect(ofMaximum("a", actual, expected, [1, 0])).toMatchObject({ worst: expect.closeTo(5e-5, 6), isOk: true });
  expect(ofMaximum("a", actual, expected)).toMatchObject({ worst: 1, isOk: false });
});

test("what cannot be compared fails: shapes, zeros, NaN, emptiness", () => {
  const one = tf.tensor1d([1]);

  expect(ofMaximum("a", tf.tensor1d([1, 2]), one)).toMatchObject({ isOk: false, note: "shape [2], expected [1]" });
  expect(ofMaximum("a", tf.tensor1d([0]), tf.tensor1d([0]))).toMatchObject({ isOk: false, note: "nothing but zeros to compare with" });
  expect(ofMaximum("a", tf.tensor1d([NaN]), one)).toMatchObject({ isOk: false, worst: Infinity });
  expect(absolute("a", { actual: [], expected: [], tolerance: 1 })).toMatchObject({ isOk: false });
  expect(absolute("a", { actual: [1], expected: [1, 2], tolerance: 1 })).toMatchObject({ isOk: false, note: "1 values, expected 2" });
});

test("numbers, lists and bytes have their own rules", () => {
  expect(relative("loss", 2.0001, 2)).toMatchObject({ worst: expect.closeTo(5e-5, 8), isOk: true });
  expect(relative("loss", 2.001, 2).isOk).toBe(false);
  expect(exact("ids", [1, 0, 3], [1, -0, 4])).toMatchObject({ worst: 2, isOk: false, note: "first at 1: got 0, expected 0" });
  expect(exact("ids", [1, 2], [1, 2])).toMatchObject({ worst: 0, isOk: true });
  const picture = Uint8Array.from({ length: 1000 }, (_, i) => i % 256);
  const offBy = (count: number): Uint8Array => picture.map((value, i) => (i < count ? value + 1 : value));
  expect(bytes("tile", offBy(9), picture)).toMatchObject({ worst: 1, isOk: true });
  expect(bytes("tile", offBy(10), picture)).toMatchObject({ isOk: false, note: "10 of 1000 bytes are off" });
});

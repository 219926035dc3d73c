import { expect, test } from "vitest";
import { decodeFloats, encodeFloats, type FloatType } from "../../src/core/half-floats.ts";

/** Around every border: overflow, subnormals, ties. */
const VALUES = [1, -2.5, 65504, 65519.99, -65520, 1e-8, 5.9604645e-8, 2.98e-8, 8.9406967e-8, 6.1e-5, 0.1, 3.14159265, 1.00048828125, 1.00146484375, 1.00390625, 1.01171875, 3e38, Infinity];
/** Of VALUES; made by torch 2.13, `tensor.half()` and `tensor.bfloat16()` viewed as int16. */
const TORCH = {
  float16: [15360, 49408, 31743, 31743, 64512, 0, 1, 0, 2, 1023, 11878, 16968, 15360, 15362, 15364, 15372, 31744, 31744],
  bfloat16: [16256, 49184, 18304, 18304, 51072, 12844, 13184, 13056, 13248, 14464, 15821, 16457, 16256, 16256, 16256, 16258, 32610, 32640],
} as const;

test.each(["float16", "bfloat16"] as const)("numbers round to %s as torch rounds them", (type) => {
  expect([...bitsOf(Float32Array.from(VALUES), type)]).toEqual(TORCH[type]);
});

test.each(["float16", "bfloat16"] as const)("every %s comes back with the bits it had", (type) => {
  const all = Uint16Array.from({ length: 65_536 }, (_, i) => i);

  const wide = decodeFloats(new Uint8Array(all.buffer), type);

  const again = bitsOf(wide, type);
  const changed = all.filter((bits) => again[bits] !== bits && !Number.isNaN(wide[bits]));
  expect(changed).toHaveLength(0);
  expect(wide.filter(Number.isNaN).length).toBe(type === "float16" ? 2 * 1023 : 2 * 127);
  expect(decodeFloats(encodeFloats(wide, type), type).filter(Number.isNaN).length).toBe(wide.filter(Number.isNaN).length);
});

test("float32 is passed through, from bytes at any place", () => {
  const values = Float32Array.of(0.1, -3e-40, Infinity);
  const bytes = encodeFloats(values, "float32");

  expect(decodeFloats(bytes, "float32")).toEqual(values);
  const shifted = new Uint8Array(13);
  shifted.set(bytes, 1);
  expect(decodeFloats(shifted.subarray(1), "float32")).toEqual(values);
  const halves = new Uint8Array([0, 0x00, 0x3c]); // 1.0 in little-endian order, at an odd place
  expect([...decodeFloats(halves.subarray(1), "float16")]).toEqual([1]);
});

function bitsOf(values: Float32Array, type: FloatType): Uint16Array {
  const bytes = encodeFloats(values, type);
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);
}

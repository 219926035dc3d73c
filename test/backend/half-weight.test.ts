import { expect, test } from "vitest";
import { halvedBytes, halvesAsFloats, isHalvable, packHalves } from "../../src/backend/half-weight.ts";
import { rng } from "../../src/core/rng.ts";

/** Python: struct.pack("<e", 1024 * number), the number being a float32. */
const KNOWN: readonly (readonly [number: number, half: number])[] = [
  [1, 0x6400], [-2.5, 0xe900], [0.1, 0x5666], [-1 / 3, 0xdd55], [3.14159274, 0x6a48], [63.9, 0x7bfd], [-63.96, 0xfbff], [6e-5, 0x2bdd], [1e-5, 0x213e], [-1e-6, 0x9432], [1e-7, 0x6b6], [6.1e-8, 0x418],
  [1 + 2 ** -11, 0x6400], [1 + 3 * 2 ** -11, 0x6402], // ties, to the even one
];

test("numbers are kept as halves of 1024 times themselves, to the nearest, ties to even", () => {
  const pairs = packHalves(Float32Array.from(KNOWN.map(([number]) => number)))!;

  expect(pairs.length).toBe(KNOWN.length / 2);
  expect([...pairs].flatMap((pair) => [pair & 0xffff, pair >>> 16])).toEqual(KNOWN.map(([, half]) => half));
});

test("halves that devices may take for zero are zero", () => {
  expect([...packHalves(Float32Array.of(5e-8, -5e-8, 0, -0, 1e-30, 1e-40))!]).toEqual([0, 0, 0]);
});

test("what the halves stand for is within half a unit of the eleventh bit, and its own rounding", () => {
  const draw = rng("halves");
  const values = Float32Array.from({ length: 4096 }, (_, i) => draw.normal() * 10 ** -(i % 6));

  const rounded = halvesAsFloats(packHalves(values)!);

  for (const [i, value] of values.entries()) if (Math.abs(value) > 2 ** -24) expect(Math.abs(rounded[i]! / value - 1)).toBeLessThanOrEqual(2 ** -11);
  expect(halvesAsFloats(packHalves(rounded)!)).toEqual(rounded);
  expect(rounded.filter((value, i) => value !== values[i]).length).toBeGreaterThan(4000);
});

test("numbers of bfloat16 from 6e-8 to 64 are themselves", () => {
  const bits = Uint32Array.from({ length: 2 * 30 * 128 }, (_, i) => (((i >> 7) % 30) + 103 << 23) | ((i & 127) << 16) | (i < 30 * 128 ? 0 : 1 << 31));
  const values = new Float32Array(bits.buffer);

  expect([Math.min(...values.map(Math.abs)), Math.max(...values)]).toEqual([2 ** -24, 63.75]);
  expect(halvesAsFloats(packHalves(values)!)).toEqual(values);
});

test.each([64, -64, 63.99, Infinity, Number.NaN])("a matrix with %d in it cannot be kept so", (number) => {
  expect(packHalves(Float32Array.of(1, number))).toBeUndefined();
});

test("matrices whose rows are whole quads can be kept, in two bytes a number", () => {
  expect([[3, 8], [3, 6], [8], [2, 3, 4], [3, 0]].map(isHalvable)).toEqual([true, false, false, false, false]);
  expect(halvedBytes([3, 8])).toBe(48);
});

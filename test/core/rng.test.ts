import { expect, test } from "vitest";
import { rng } from "../../src/core/rng.ts";

test("equal keys give equal streams, and the numbers never change between versions", () => {
  const first = Array.from({ length: 3 }, rng(42, "mixture", 0).uniform);

  expect(Array.from({ length: 3 }, rng(42, "mixture", 0).uniform)).toEqual(first);
  expect(first.map((value) => value.toFixed(6))).toMatchInlineSnapshot(`
    [
      "0.701747",
      "0.544914",
      "0.006641",
    ]
  `);
});

test("a key is more than its text: 1 and \"1\", and the borders between parts, matter", () => {
  const firsts = [rng(1), rng("1"), rng("1", ""), rng("a", "bc"), rng("ab", "c"), rng(2)].map((stream) => stream.uniform());

  expect(new Set(firsts).size).toBe(firsts.length);
});

test("uniform numbers of many keys have mean 1/2, variance 1/12 and no correlation between neighbouring keys", () => {
  const draws = Array.from({ length: 20_000 }, (_, key) => rng(7, "clip", key).uniform());

  const mean = average(draws);
  const variance = average(draws.map((x) => (x - mean) ** 2));
  const correlation = average(draws.slice(1).map((x, i) => (x - mean) * ((draws[i] ?? 0) - mean))) / variance;
  expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...draws)).toBeLessThan(1);
  expect(Math.abs(mean - 1 / 2)).toBeLessThan(0.008);          // four standard errors of 1/sqrt(12 * 20000)
  expect(Math.abs(variance - 1 / 12)).toBeLessThan(0.003);
  expect(Math.abs(correlation)).toBeLessThan(0.029);           // four standard errors of 1/sqrt(20000)
});

test("one stream is as good as many keys", () => {
  const stream = rng("one stream");
  const bins = Array<number>(16).fill(0);
  for (let i = 0; i < 16_000; i++) bins[stream.integer(16)]! += 1;

  const chiSquared = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
  expect(chiSquared).toBeLessThan(44.3);                        // 15 degrees of freedom, p = 1e-4
});

test("normal numbers have mean 0 and variance 1", () => {
  const stream = rng("normal");
  const draws = Array.from({ length: 20_000 }, () => stream.normal());

  expect(Math.abs(average(draws))).toBeLessThan(0.029);
  expect(Math.abs(average(draws.map((x) => x * x)) - 1)).toBeLessThan(0.04);
  expect(draws.every(Number.isFinite)).toBe(true);
});

test("shuffle keeps every item and leaves its input alone; pick refuses an empty list", () => {
  const items = [1, 2, 3, 4, 5, 6, 7, 8];

  const shuffled = rng("s").shuffle(items);

  expect(items).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect([...shuffled].sort()).toEqual(items);
  expect(shuffled).not.toEqual(items);
  expect(() => rng("s").pick([])).toThrow("pick from an empty list");
});

test("every item comes first equally often", () => {
  const counts = [0, 0, 0, 0];
  for (let key = 0; key < 4000; key++) counts[rng("first", key).shuffle([0, 1, 2, 3])[0]!]! += 1;

  for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(110);   // four standard deviations of 27.4
});

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

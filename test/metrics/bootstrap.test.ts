import { expect, test } from "vitest";
import { bootstrapIntervals, countUnits } from "../../src/metrics/bootstrap.ts";
import type { Counted } from "../../src/metrics/counts.ts";

/** Share of ones. */
function shareOf(ones: readonly number[]): Counted<Readonly<Record<string, number>>> {
  return { rows: ones.map((one) => Float64Array.from([1, one])), scoresOf: ([n = 0, sum = 0]) => ({ share: sum / n }) };
}

const metricsOf = (scores: Readonly<Record<string, number>>): Readonly<Record<string, number>> => scores;

function intervalOf(ones: readonly number[], units: readonly string[], seed = 1, resamples = 1000): readonly [number, number] {
  return bootstrapIntervals(shareOf(ones), metricsOf, { units, resamples, seed })["share"] ?? [Number.NaN, Number.NaN];
}

const ROWS = Array.from({ length: 400 }, (_, i) => Number(i % 4 === 0));

test("independent rows: the interval is that of a binomial share", () => {
  const [low, high] = intervalOf(ROWS, ROWS.map((_, i) => `${i}`), 1, 20_000);

  // 0.25 +- 1.96 * sqrt(0.25 * 0.75 / 400) = 0.25 +- 0.0424, in steps of 1 / 400; 1.645 (90 %) would be +- 0.0356.
  expect(Math.abs(low - (0.25 - 0.0424))).toBeLessThan(0.003);
  expect(Math.abs(high - (0.25 + 0.0424))).toBeLessThan(0.003);
});

test("rows that always come together make the interval as wide as their number of units says", () => {
  const clustered = Array.from({ length: 400 }, (_, i) => Number(i < 100));
  const [low, high] = intervalOf(clustered, clustered.map((_, i) => `dialogue ${Math.floor(i / 10)}`));

  // 40 units, each all or nothing: 0.25 +- 1.96 * sqrt(0.25 * 0.75 / 40) = 0.25 +- 0.134
  expect(low).toBeCloseTo(0.25 - 0.134, 1);
  expect(high).toBeCloseTo(0.25 + 0.134, 1);
  expect(high - low).toBeGreaterThan(0.2);
});

test("the same seed gives the same interval, another seed another one", () => {
  const units = ROWS.slice(0, 37).map((_, i) => `${i}`);
  const ones = ROWS.slice(0, 37).map((one, i) => one + i / 100);

  expect(intervalOf(ones, units, 1)).toEqual(intervalOf(ones, units, 1));
  expect(intervalOf(ones, units, 2)).not.toEqual(intervalOf(ones, units, 1));
});

test("one unit, no rows, and a metric that some resamples lack", () => {
  const sometimes: Counted<Readonly<Record<string, number>>> = { rows: [Float64Array.from([1, 0]), Float64Array.from([0, 1])], scoresOf: ([a = 0, b = 0]) => (a > 0 && b > 0 ? { both: 1 } : { both: Number.NaN }) };

  expect(intervalOf([1, 0], ["a", "a"])).toEqual([0.5, 0.5]);
  expect(bootstrapIntervals(shareOf([]), metricsOf, { units: [], resamples: 10, seed: 1 })).toEqual({});
  expect(bootstrapIntervals(sometimes, metricsOf, { units: ["a", "b"], resamples: 50, seed: 1 })).toEqual({ both: [1, 1] });
  expect(countUnits(["a", "b", "a"])).toBe(2);
});

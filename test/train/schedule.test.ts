import { expect, test } from "vitest";
import { learningRateFactor } from "../../src/train/schedule.ts";

const factors = (schedule: Parameters<typeof learningRateFactor>[0], steps: number): number[] =>
  Array.from({ length: steps }, (_, i) => learningRateFactor(schedule, i + 1, steps));

test("warm-up rises in equal steps to the peak, then a linear decay runs towards the floor", () => {
  const expected = [0.5, 1, 1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3];

  const actual = factors({ kind: "linear", warmup: 0.2, floor: 0.2 }, 10);

  actual.forEach((factor, i) => expect(factor).toBeCloseTo(expected[i] ?? NaN, 12));
  expect(actual.length).toBe(10);
});

test("the cosine passes half of its way in the middle and never reaches zero", () => {
  const actual = factors({ kind: "cosine", warmup: 0, floor: 0 }, 4);

  // (1 + cos(pi * {0, 1/4, 1/2, 3/4})) / 2
  [1, 0.8535533905932737, 0.5, 0.14644660940672627].forEach((factor, i) => expect(actual[i]).toBeCloseTo(factor, 12));
  expect(learningRateFactor({ kind: "cosine", warmup: 0, floor: 0.1 }, 3, 4)).toBeCloseTo(0.55, 12);
});

test("constant stays at the peak after the warm-up, and one step is a full step", () => {
  expect(factors({ kind: "constant", warmup: 0.5, floor: 0 }, 4)).toEqual([0.5, 1, 1, 1]);
  expect(factors({ kind: "cosine", warmup: 0.05, floor: 0 }, 1)).toEqual([1]);
  expect(factors({ kind: "cosine", warmup: 1, floor: 0 }, 2)).toEqual([0.5, 1]);
});

test("a warm-up share that floating point rounds up does not gain a step", () => {
  expect(0.07 * 100).toBeGreaterThan(7);
  expect(learningRateFactor({ kind: "constant", warmup: 0.07, floor: 0 }, 7, 100)).toBe(1);
});

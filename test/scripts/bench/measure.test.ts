import { expect, test } from "vitest";
import { measure, median } from "../../../scripts/bench/measure.ts";

/** A repetition that takes the next of the given times, and how often it ran. */
function scripted(times: readonly number[]): { run: () => Promise<number>; ran: () => number } {
  let count = 0;
  return { run: () => Promise.resolve(times[count++] ?? 1000), ran: () => count };
}

test("warm-up runs are not counted, and the least number runs even when the budget is spent", async () => {
  const work = scripted([40, 30, 60, 70, 80]);

  expect(await measure(work.run, { warmups: 2, least: 3, most: 40, budgetMs: 50 })).toEqual([60, 70, 80]);
  expect(work.ran()).toBe(5);
});

test("one warm-up run is enough when it uses up the budget", async () => {
  expect(await measure(scripted([51, 10, 20]).run, { warmups: 2, least: 2, most: 2, budgetMs: 50 })).toEqual([10, 20]);
});

test("repetitions go on until the budget is used up or there are enough", async () => {
  const patience = { warmups: 0, least: 1, most: 4, budgetMs: 50 };

  expect(await measure(scripted([20, 20, 20, 20]).run, patience)).toHaveLength(3);
  expect(await measure(scripted([1, 1, 1, 1, 1]).run, patience)).toHaveLength(4);
});

test("the median is the middle, or half way between the middle two", () => {
  expect(median([5, 1, 100])).toBe(5);
  expect(median([10, 1, 100, 4])).toBe(7);
  expect(() => median([])).toThrow("median of no values");
});

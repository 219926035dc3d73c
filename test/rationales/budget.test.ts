import { expect, test } from "vitest";
import { costOf, createBudget, estimateTokens } from "../../src/rationales/budget.ts";

const prices = { input: 0.15, output: 0.6 };

test("cost is counted per million tokens", () => {
  expect(costOf({ input: 2_000_000, output: 500_000 }, prices)).toBeCloseTo(0.6, 12);
  expect(estimateTokens("a".repeat(400))).toBe(108);
});

test("a request is made only when the money suffices for it and those under way", () => {
  const expected = { input: 1_000_000, output: 0 }; // 0.15
  const budget = createBudget({ prices, mostCost: 0.5 });

  expect([budget.take(expected), budget.take(expected), budget.take(expected), budget.take(expected)]).toEqual([true, true, true, false]);

  budget.settle([{ tokens: { input: 2_000_000, output: 0 }, source: "server" }]); // 0.30, twice the estimate
  expect(budget.take(expected)).toBe(false);
  budget.settle([]);
  budget.settle([{ tokens: { input: 0, output: 100_000 }, source: "estimate" }]); // 0.06: mean 0.18, spent 0.36
  expect(budget.take(expected)).toBe(false);
  expect(budget.used()).toEqual({ input: 2_000_000, output: 100_000 });
  expect(budget.estimated()).toBe(1);
});

test("without a limit everything may be asked", () => {
  expect(createBudget({ prices: undefined, mostCost: undefined }).take({ input: 1e12, output: 1e12 })).toBe(true);
});

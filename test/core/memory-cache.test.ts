import { expect, test } from "vitest";
import { MemoryBudget, MemoryShelf } from "../../src/core/memory-cache.ts";

test("what was not asked for longest leaves first, whichever shelf it is on", () => {
  const budget = new MemoryBudget(10);
  const words = new MemoryShelf<string>(budget);
  const numbers = new MemoryShelf<number>(budget);
  words.set("a", "A", 4);
  numbers.set("a", 1, 4);
  expect(words.get("a")).toBe("A");

  words.set("b", "B", 4);

  expect([words.get("a"), numbers.get("a"), words.get("b")]).toEqual(["A", undefined, "B"]);
  expect(budget.bytes).toBe(8);
  numbers.set("c", 3, 10);
  expect([words.get("a"), words.get("b"), numbers.get("c")]).toEqual([undefined, undefined, 3]);
});

test("a value that is set again counts once, and one larger than the budget is not kept", () => {
  const budget = new MemoryBudget(10);
  const shelf = new MemoryShelf<string>(budget);
  shelf.set("a", "old", 6);
  shelf.set("a", "new", 7);
  expect([shelf.get("a"), budget.bytes]).toEqual(["new", 7]);

  shelf.set("b", "large", 11);

  expect([shelf.get("a"), shelf.get("b"), budget.bytes]).toEqual([undefined, undefined, 0]);
});

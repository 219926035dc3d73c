import { expect, test } from "vitest";
import { collectLists, listAt, listCount } from "../../src/core/number-lists.ts";

test("numbers are collected by their list, ascending, and some are in none", () => {
  const lists = collectLists(Int32Array.of(2, 0, -1, 2, 0, 2), 4);

  expect(listCount(lists)).toBe(4);
  expect([0, 1, 2, 3].map((list) => [...listAt(lists, list)])).toEqual([[1, 4], [], [0, 3, 5], []]);
  expect(listCount(collectLists(new Int32Array(0), 0))).toBe(0);
});

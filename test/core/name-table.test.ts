import { expect, test } from "vitest";
import { createNameTable } from "../../src/core/name-table.ts";

test("a name keeps its first number, whatever comes between", () => {
  const table = createNameTable();
  const names = Array.from({ length: 200_000 }, (_, i) => `dia${Math.floor(i / 17)}_utt${i % 17}`);

  expect(names.filter((name, i) => table.claim(name, i) !== undefined)).toEqual([]);
  expect(names.filter((name, i) => table.claim(name, -1) !== i)).toEqual([]);
});

test("names that differ little are different names", () => {
  const table = createNameTable();
  const names = ["", "a", "b", "aa", "ab", "ba", "a\0", "\0a", "é", "e\u0301", "x".repeat(1000), "x".repeat(1001)];

  expect(names.map((name, i) => table.claim(name, i))).toEqual(names.map(() => undefined));
  expect([...names, "aaa", "c"].map((name) => table.has(name))).toEqual([...names.map(() => true), false, false]);
  expect(names.map((name) => table.claim(name, 99))).toEqual(names.map((_, i) => i));
});

test("the hash spreads: among short names in order none is taken for another", () => {
  const table = createNameTable();
  let twice = 0;
  for (let i = 0; i < 400_000; i++) if (table.claim(String(i), i) !== undefined) twice += 1;
  expect(twice).toBe(0);
});

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readJsonItems } from "../../../src/data/files/json-items.ts";
import type { JsonItem } from "../../../src/data/files/json-items.ts";
import { temporaryFolder } from "../../temporary-folder.ts";

async function read(content: string): Promise<JsonItem[]> {
  const path = join(await temporaryFolder(), "items.json");
  await writeFile(path, content);
  const items: JsonItem[] = [];
  for await (const item of readJsonItems(path)) items.push(item);
  return items;
}

test("the items of an indented list come one by one with their lines", async () => {
  const value = [{ a: 'brackets ] } in, "strings" \\', b: [1, { c: 2 }] }, 5, "x", []];

  const items = await read(JSON.stringify(value, undefined, 2));

  expect(items.map((item) => (item.kind === "item" ? item.value : item))).toEqual(value);
  expect(items.map(({ line }) => line)).toEqual([2, 11, 12, 13]);
});

test("a file larger than one piece is cut in the right places", async () => {
  const value = Array.from({ length: 3000 }, (_, i) => ({ id: i, text: `${"é,]}".repeat(i % 60)}"` }));

  const items = await read(JSON.stringify(value));

  expect(items.map((item) => (item.kind === "item" ? item.value : item))).toEqual(value);
});

test("a broken item is a fault with its line and the next one is read", async () => {
  const items = await read('[\n{"a": 1},\n{"a": nope},\n{"a": 3}\n]');

  expect(items.map((item) => (item.kind === "item" ? item.value : [item.line, item.what.slice(0, 16)]))).toEqual([{ a: 1 }, [3, "this is not JSON"], { a: 3 }]);
});

test("Python's NaN and Infinity are null, but not within strings", async () => {
  expect(await read('{"a": NaN, "b": [-Infinity, 1], "c": "NaN \\"NaN"}\n{"a": NaN\n')).toEqual([
    { kind: "item", line: 1, value: { a: null, b: [null, 1], c: 'NaN "NaN' } },
    { kind: "fault", line: 2, what: expect.stringContaining("this is not JSON") },
  ]);
});

test("a list that is cut off says so", async () => {
  expect((await read('[{"a": 1},\n{"a": 2')).at(-1)).toEqual({ kind: "fault", line: 2, what: "the file ends inside this item" });
  expect((await read('[{"a": 1}\n')).at(-1)).toEqual({ kind: "fault", line: 1, what: "the file ends inside this item" });
  expect((await read('[{"a": 1},\n')).at(-1)).toEqual({ kind: "fault", line: 2, what: "the list is not closed: the file is cut off" });
});

test("JSON lines are told by their first character, blank lines do not count", async () => {
  expect(await read('{"a": 1}\n\n{"a": 2}\n')).toEqual([
    { kind: "item", line: 1, value: { a: 1 } },
    { kind: "item", line: 3, value: { a: 2 } },
  ]);
});

test("an empty list has no items", async () => {
  expect(await read(" [ ] ")).toEqual([]);
});

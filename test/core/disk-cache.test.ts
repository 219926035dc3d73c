import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseEntry, renderEntry } from "../../src/core/cache-entry.ts";
import { DiskCache } from "../../src/core/disk-cache.ts";
import { temporaryFolder } from "../temporary-folder.ts";

const KIND = "things";

test("beyond its budget a cache removes what was not used for longest, down to nine tenths", async () => {
  const folder = await temporaryFolder();
  const cache = await open(folder, 1000);
  for (const [i, name] of ["a", "b", "c", "d"].entries()) {
    await cache.write(at(name), [new Uint8Array(200)]);
    await usedAt(folder, name, 1000 + i);
  }
  expect((await cache.read(at("a")))?.length).toBe(200); // now the last used

  await cache.write(at("e"), [new Uint8Array(150), new Uint8Array(100)]);

  // 1050 bytes are too many; without b and c 650 are left, without b alone 850.
  expect((await readdir(join(folder, KIND))).sort()).toEqual(["a", "c", "d", "e"]);
  expect(cache.removed).toBe(1);
  expect(await cache.read(at("b"))).toBeUndefined();
});

test("what other processes wrote counts, at the opening and while it goes on", async () => {
  const folder = await temporaryFolder();
  const [first, second] = [await open(folder, 1000), await open(folder, 1000)];
  for (let i = 0; i < 5; i++) {
    await first.write(at(`first${i}`), [new Uint8Array(90)]);
    await second.write(at(`second${i}`), [new Uint8Array(90)]);
  }
  expect(first.removed + second.removed).toBe(0);
  await first.write(at("first5"), [new Uint8Array(90)]);
  await second.write(at("second5"), [new Uint8Array(90)]);
  expect(first.removed + second.removed).toBe(2); // 990 fit, 1080 do not: two of ninety less are at most 900

  const third = await open(folder, 300);
  expect(third.removed).toBe(7); // three of ninety are at most 270
  expect((await readdir(join(folder, KIND))).length).toBe(3);
});

test("only the cache's own folders are touched, and what killed writers left is removed", async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, KIND));
  await writeFile(join(folder, "thesis.pdf"), new Uint8Array(5000));
  await writeFile(join(folder, KIND, "a.123.tmp"), "half");
  await writeFile(join(folder, KIND, "b.456.tmp"), "half");
  await utimes(join(folder, KIND, "a.123.tmp"), new Date(0), new Date(1000));

  const cache = await open(folder, 100);
  await cache.write(at("c"), [new Uint8Array(60)]);

  expect(existsSync(join(folder, "thesis.pdf"))).toBe(true);
  expect((await readdir(join(folder, KIND))).sort()).toEqual(["b.456.tmp", "c"]); // b's writer may be at work
  expect(cache.removed).toBe(0);
});

test("an entry larger than the budget is written, removed, and missing: nothing fails", async () => {
  const cache = await open(await temporaryFolder(), 10);

  await cache.write(at("a"), [new Uint8Array(60)]);

  expect([await cache.has(at("a")), await cache.read(at("a")), cache.removed]).toEqual([false, undefined, 1]);
});

test("names are those of the opening; a file that is gone is missing", async () => {
  const folder = await temporaryFolder();
  const before = await open(folder, 1000);
  await before.write(at("a"), [Uint8Array.of(7)]);
  const after = await open(folder, 1000);

  expect([[...before.names], [...after.names]]).toEqual([[], [at("a")]]);
  expect([...(await after.read(at("a")))!]).toEqual([7]);
  await rm(join(folder, at("a")));
  expect([await after.has(at("a")), await after.read(at("a"))]).toEqual([false, undefined]);
});

test("an entry is what was written under its key, part by part, or nothing", () => {
  const parts = { first: Uint8Array.of(1, 2, 3), second: undefined, third: new Uint8Array(0) };
  const content = Buffer.concat(renderEntry("k", parts));

  expect(parseEntry(content, "k", ["first", "second", "third"])).toEqual({ first: Uint8Array.of(1, 2, 3), third: new Uint8Array(0) });
  expect((content.indexOf("\n") + 1) % 8).toBe(0);
  for (const names of [["first", "second"], ["first", "second", "third", "fourth"], ["first", "second", "other"]]) expect(parseEntry(content, "k", names), names.join()).toBeUndefined();
  expect(parseEntry(content, "other", ["first", "second", "third"])).toBeUndefined();
  for (let end = 0; end < content.length; end++) expect(parseEntry(content.subarray(0, end), "k", ["first", "second", "third"]), `${end} bytes`).toBeUndefined();
  for (let i = 0; i < content.length; i++) {
    const flipped = Buffer.from(content.map((byte, at) => (at === i ? byte ^ 0x10 : byte)));
    const parsed = parseEntry(flipped, "k", ["first", "second", "third"]);
    // A byte of the filling may change without harm.
    if (parsed !== undefined) expect(String.fromCharCode(content[i]!), `byte ${i}`).toBe(" ");
  }
});

function at(name: string): string {
  return join(KIND, name);
}

function open(folder: string, mostBytes: number): Promise<DiskCache> {
  return DiskCache.open({ folder, mostBytes, kinds: [KIND] });
}

async function usedAt(folder: string, name: string, seconds: number): Promise<void> {
  await utimes(join(folder, at(name)), new Date(0), new Date(seconds * 1000));
  expect((await readFile(join(folder, at(name)))).length).toBeGreaterThan(0);
}

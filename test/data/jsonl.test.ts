import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import { openJsonlWriter, readJsonl } from "../../src/data/jsonl.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "m2se-jsonl-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const schema = z.strictObject({ n: z.number() });

test("good lines are kept beside bad ones, with their line numbers", async () => {
  const path = join(folder, "x.jsonl");
  await writeFile(path, '\uFEFF{"n":1}\r\n\r\n{"n":"2"}\r\n{"n":3}');

  const { lines, problems } = await readJsonl(path, schema);

  expect(lines).toEqual([
    { value: { n: 1 }, where: `${path}:1` },
    { value: { n: 3 }, where: `${path}:4` },
  ]);
  expect(problems).toEqual([{ kind: "DataError", where: `${path}:3`, what: 'n: got "2", expected number' }]);
});

test("a file appears when the writer commits and not before", async () => {
  const path = join(folder, "deep", "x.jsonl");
  const writer = await openJsonlWriter(path);
  await writer.write({ n: 1 });
  await expect(readFile(path)).rejects.toThrow("ENOENT");

  await writer.write({ n: 2 });
  await writer.commit();
  await writer.discard();

  expect(await readFile(path, "utf8")).toBe('{"n":1}\n{"n":2}\n');
  expect(await readdir(join(folder, "deep"))).toEqual(["x.jsonl"]);
});

test("a discarded writer leaves the old file and no rest", async () => {
  const path = join(folder, "x.jsonl");
  await writeFile(path, "old");
  const writer = await openJsonlWriter(path);
  await writer.write({ n: 1 });

  await writer.discard();

  expect(await readFile(path, "utf8")).toBe("old");
  expect(await readdir(folder)).toEqual(["x.jsonl"]);
});

test("a file that cannot be read or written is a user's problem, with its path", async () => {
  await expect(readJsonl(join(folder, "none.jsonl"), schema)).rejects.toThrow(`SystemError ${join(folder, "none.jsonl")}: no such file or folder.`);
  await writeFile(join(folder, "file"), "");
  await expect(openJsonlWriter(join(folder, "file", "x.jsonl"))).rejects.toThrow(`SystemError ${join(folder, "file", "x.jsonl")}: `);
});

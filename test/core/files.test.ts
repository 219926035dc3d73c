import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describeSystemError, makeFolder, toJson, writeFileAtomic } from "../../src/core/files.ts";
import { sha256 } from "../../src/core/hash.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "m2se-files-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("a file is replaced as a whole, in folders made on the way, with nothing left beside it", async () => {
  const path = join(folder, "a/b/file.txt");

  await writeFileAtomic(path, "old");
  await writeFileAtomic(path, [Buffer.from("né"), Uint8Array.of(0x21)]);

  expect(await readFile(path, "utf8")).toBe("né!");
  expect(await readdir(join(folder, "a/b"))).toEqual(["file.txt"]);
});

test("a failed write keeps the old content, cleans up and says why", async () => {
  const path = join(folder, "taken");
  await mkdir(path);
  await writeFile(join(path, "inside"), "kept");

  await expect(writeFileAtomic(path, "new")).rejects.toThrow(`SystemError ${path}: this is a folder, a file was expected.`);

  expect(await readdir(folder)).toEqual(["taken"]);
  expect(await readFile(join(path, "inside"), "utf8")).toBe("kept");
});

test("a parent that is a file is named as the reason, and cleaning up does not hide it", async () => {
  await writeFile(join(folder, "file"), "");

  await expect(writeFileAtomic(join(folder, "file", "x"), "")).rejects.toThrow("file/x: a file is in the way of this path.");
  await expect(writeFileAtomic(join(folder, "file", "deep", "x"), "")).rejects.toThrow("file/deep/x: this path, or a parent of it, is a file, not a folder.");
});

test.each([
  ["ENOSPC", "SystemError out.bin: the disk is full. Free some space and run the command again."],
  ["EDQUOT", "SystemError out.bin: the disk quota is used up. Free some space and run the command again."],
  ["EACCES", "SystemError out.bin: permission denied."],
  ["EPERM", "SystemError out.bin: operation not permitted."],
  ["EROFS", "SystemError out.bin: the file system is read-only."],
  ["ENOENT", "SystemError out.bin: no such file or folder."],
])("%s is told in words", (code, message) => {
  expect(describeSystemError(Object.assign(new Error("raw"), { code }), "out.bin")).toMatchObject({ message });
});

test("an error that is not the file system's passes unchanged", () => {
  const error = new Error("other");

  expect(describeSystemError(error, "x")).toBe(error);
  expect(describeSystemError("text", "x")).toBe("text");
});

test("JSON files end in a newline; hashes are the published ones", () => {
  expect(toJson({ a: 1 })).toBe('{\n  "a": 1\n}\n');
  expect(sha256("ab", Uint8Array.of(0x63))).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");   // FIPS 180-2, "abc"
});

test("a folder is made with its parents; one that exists is no failure, a file in the way is", async () => {
  await writeFile(join(folder, "file"), "");

  await Promise.all([makeFolder(join(folder, "a/b/c")), makeFolder(join(folder, "a/b/c"))]);
  await makeFolder(join(folder, "a/b"));

  expect(await readdir(join(folder, "a/b"))).toEqual(["c"]);
  await expect(makeFolder(join(folder, "file"))).rejects.toThrow("EEXIST");
  await expect(makeFolder(join(folder, "file/below"))).rejects.toThrow("ENOTDIR");
});

test.runIf(process.platform === "linux")("a file system that takes no folders is a failure, not an endless attempt", async () => {
  await expect(writeFileAtomic("/proc/m2se/a/b.json", "{}")).rejects.toThrow("SystemError /proc/m2se/a/b.json: no such file or folder.");
});

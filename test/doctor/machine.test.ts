import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { examineDisk, examineNode, examineProgram, isAtLeast } from "../../src/doctor/machine.ts";
import { temporaryFolder } from "../temporary-folder.ts";

test.each([
  ["20.11.0", "20.11", true],
  ["20.9.1", "20.11", false],
  ["18.20.4", "20.11", false],
  ["22.0.0", "20.11", true],
])("version %s against %s: %s", (version, needed, ok) => {
  expect(isAtLeast(version, needed)).toBe(ok);
});

test("Node is held to what package.json asks for", async () => {
  expect(await examineNode("18.20.4")).toEqual({ version: "18.20.4", needed: "20.11", ok: false });
  expect(await examineNode(process.versions.node)).toMatchObject({ ok: true });
});

test("a program is told with path, version and where it comes from", async () => {
  const folder = await temporaryFolder();
  const path = join(folder, "ffmpeg");
  await writeFile(path, "#!/bin/sh\necho ffmpeg version 9.9-test Copyright\n");
  await chmod(path, 0o755);

  expect(await examineProgram("ffmpeg", { PATH: folder })).toEqual({ name: "ffmpeg", found: { path, version: "9.9-test", source: "PATH" } });
});

test("a program that does not run is told with its reason", async () => {
  const { found, why } = await examineProgram("ffprobe", { M2SE_FFPROBE: "/nonexistent/ffprobe" });

  expect(found).toBeUndefined();
  expect(why).toMatch(/^got \/nonexistent\/ffprobe, expected a program that runs \(spawn .* ENOENT\)$/);
});

test("a folder's file system says how much is free", async () => {
  const folder = await temporaryFolder();

  const disk = await examineDisk(folder);

  expect(disk).toMatchObject({ folder, writable: true });
  expect(disk.freeBytes).toBeGreaterThan(0);
});

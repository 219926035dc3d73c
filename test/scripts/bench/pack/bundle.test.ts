import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";
import { bundleBench } from "../../../../scripts/bench/pack/bundle.ts";

const ROOT = join(import.meta.dirname, "../../../..");
const execute = promisify(execFile);
let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "m2se-bundle-"));
  await bundleBench(ROOT, join(folder, "scripts/bench"));
  await mkdir(join(folder, "src/data/converters"), { recursive: true });
  for (const file of ["src/data/action-units.json", "src/data/converters/known.json"]) await cp(join(ROOT, file), join(folder, file));
}, 60_000);

test("plain Node runs the bundle with no package beside it", async () => {
  const { stdout } = await execute(process.execPath, [join(folder, "scripts/bench/main.mjs"), "--help"]);

  expect(stdout).toContain("Usage: bench [options]");
});

test("its child knows its cases, and says which package a backend lacks", async () => {
  const child = (name: string, backend: string) => execute(process.execPath, [join(folder, "scripts/bench/child.mjs"), name], { env: { M2SE_BENCH_BACKEND: backend } });

  await expect(child("train-9", "cpu")).rejects.toThrow("no case train-9");
  await expect(child("gemm", "webgpu")).rejects.toThrow("the package webgpu is not installed");
});

import { execFile } from "node:child_process";
import { copyFile, mkdtemp, realpath, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const SCRIPT = join(import.meta.dirname, "../../../../scripts/bench/pack/run.sh");

/** A pack whose `node` is a shell script: it finds a GPU under the given drivers ("none": without one), and prints how it was started. */
async function packed(drivers: string): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "m2se-run-")));
  await copyFile(SCRIPT, join(folder, "run.sh"));
  await writeFile(join(folder, "nvidia_icd.json"), "{}");
  const node = `#!/bin/sh\nif [ "$1" = --input-type=module ]; then case "\${VK_DRIVER_FILES:-none}" in ${drivers}) exit 0;; *) exit 1;; esac; fi\necho "driver=\${VK_DRIVER_FILES:-} $*"\n`;
  await writeFile(join(folder, "node"), node, { mode: 0o755 });
  return folder;
}

async function start(folder: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<{ stdout: string; stderr: string }> {
  return promisify(execFile)("sh", [join(folder, "run.sh"), ...args], { env: { PATH: process.env["PATH"] ?? "", ...env } });
}

test("a GPU that is found is used as it is, with the arguments behind the backend", async () => {
  expect(await start(await packed("none"), ["--only", "train-512", "--json"])).toEqual({ stdout: "driver= scripts/bench/main.mjs --backend webgpu --only train-512 --json\n", stderr: "" });
});

test("where no driver is described the pack's own description is tried, and said", async () => {
  const folder = await packed("*/m2se-run-*");
  const description = join(folder, "nvidia_icd.json");

  expect(await start(folder, [])).toEqual({ stdout: `driver=${description} scripts/bench/main.mjs --backend webgpu\n`, stderr: `Vulkan driver: ${description}\n` });
});

test("a driver that was named stays", async () => {
  const { stdout, stderr } = await start(await packed("nothing"), [], { VK_DRIVER_FILES: "/mine.json" });

  expect(stdout).toContain("driver=/mine.json ");
  expect(stderr).toBe("");
});

test("without a GPU it says what the driver lacks; the benchmark ends it", async () => {
  const { stdout, stderr } = await start(await packed("nothing"), []);

  expect(stdout).toBe("driver= scripts/bench/main.mjs --backend webgpu\n");
  expect(stderr).toBe("No GPU is found through Vulkan. The driver must have its graphics part (libGLX_nvidia.so.0); containers are given it with NVIDIA_DRIVER_CAPABILITIES=all.\n");
});

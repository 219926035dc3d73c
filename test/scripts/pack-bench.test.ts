import { execFile } from "node:child_process";
import { access } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "../..");

/** Exit code and what was said on stderr. */
function pack(...args: string[]): Promise<{ code: unknown; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ["--import", "tsx", join(ROOT, "scripts/pack-bench.ts"), ...args], { cwd: ROOT }, (error, _, stderr) => resolve({ code: error?.code ?? 0, stderr }));
  });
}

test("without a name for the archive the command line is wrong", async () => {
  const { code, stderr } = await pack();

  expect(code).toBe(2);
  expect(stderr).toContain("missing required argument 'out'");
});

test("a Vulkan loader that is not there is an error before anything is packed", async () => {
  const out = join(tmpdir(), `m2se-pack-test-${process.pid}.tar.xz`);

  const { code, stderr } = await pack(out, "--vulkan", "/no/such/loader");

  expect(code).toBe(1);
  expect(stderr).toContain("SystemError /no/such/loader: there is no libvulkan.so.1.");
  await expect(access(out)).rejects.toThrow("ENOENT");
});

import { spawnSync } from "node:child_process";
import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../temporary-folder.ts";

const ROOT = join(import.meta.dirname, "../..");

/** Last line of a test run over these files. */
async function closingLine(files: Readonly<Record<string, string>>): Promise<string | undefined> {
  const folder = await temporaryFolder();
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
  const { stdout } = spawnSync(process.execPath, [vitest, "run", "--root", folder, "--reporter", join(ROOT, "test/reporter.ts")], { cwd: folder, encoding: "utf8" });
  return stdout.trimEnd().split("\n").at(-1);
}

const PASS = 'import { expect, test } from "vitest";\ntest("a", () => expect(1).toBe(1));\ntest("b", () => undefined);\ntest.skip("c", () => undefined);\n';

test("the run closes with its counts; skipped tests are neither", async () => {
  expect(await closingLine({ "pass.test.ts": PASS })).toBe("2 passed, 0 failed");
});

test("failing tests, files that cannot be read, broken hooks and stray errors all count", async () => {
  const line = await closingLine({
    "pass.test.ts": PASS,
    "fail.test.ts": 'import { expect, test } from "vitest";\ntest("a", () => expect(1).toBe(2));\n',
    "import.test.ts": 'import "./none.ts";\n',
    "hook.test.ts": 'import { afterAll, test } from "vitest";\nafterAll(() => { throw new Error("hook"); });\ntest("a", () => undefined);\n',
    "stray.test.ts": 'import { test } from "vitest";\ntest("a", async () => { setTimeout(() => { throw new Error("stray"); }, 1); await new Promise((done) => setTimeout(done, 50)); });\n',
  });

  expect(line).toBe("4 passed, 4 failed");
});

import { spawn } from "node:child_process";
import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../temporary-folder.ts";

const BIN = join(import.meta.dirname, "../../src/cli/bin.mjs");

interface Result {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the real program. `readBytes`: close its stdout after so much. */
function runProgram(args: readonly string[], { cwd, bin = BIN, closeStdout = false }: { cwd: string; bin?: string; closeStdout?: boolean }): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [bin, ...args], { cwd });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    if (closeStdout) child.stdout.destroy();
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

test("through a symbolic link, from a folder whose tsconfig.json is broken, the program runs", async () => {
  const cwd = await temporaryFolder();
  await writeFile(join(cwd, "tsconfig.json"), "{ broken");
  await symlink(BIN, join(cwd, "m2se"));

  const { code, out, err } = await runProgram(["config", "--explain", "seed", "--json"], { cwd, bin: join(cwd, "m2se") });

  expect({ code, value: JSON.parse(out) as unknown }).toEqual({ code: 0, value: { kind: "setting", path: "seed", accepts: "a whole number", default: 42, keys: [] } });
  expect(err).toContain("accepts: a whole number");
});

test("a user's mistake ends with its code and no stack; --json tells programs too", async () => {
  const cwd = await temporaryFolder();

  const { code, out, err } = await runProgram(["plan", "--config", "none.yaml", "--json"], { cwd });

  expect({ code, err }).toEqual({ code: 2, err: "ConfigError none.yaml: cannot read this config file: no such file or folder.\n" });
  expect(JSON.parse(out)).toMatchObject({ kind: "error", exitCode: 2, problems: [{ where: "none.yaml" }] });
});

test("a reader that went away is no error", async () => {
  const { code, err } = await runProgram(["config", "--config", join(import.meta.dirname, "../../configs/tiny.yaml")], { cwd: await temporaryFolder(), closeStdout: true });

  expect({ code, err }).toEqual({ code: 0, err: "" });
});

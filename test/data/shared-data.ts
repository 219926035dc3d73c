/** @file The real annotation files, which are no part of the repository: tests of them are skipped, with the reason printed, when they are not beside it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";

const FOLDER = join(import.meta.dirname, "../../../shared/data");
const isThere = existsSync(join(FOLDER, "README.md"));

if (!isThere) process.stderr.write("skipped: tests of the real annotation files, ../shared/data is not beside this checkout\n");

/** A path below the folder. */
export function sharedData(...parts: readonly string[]): string {
  return join(FOLDER, ...parts);
}

/** A test that needs the folder; whole datasets take their time on a busy machine. */
export function testOnRealFiles(name: string, run: () => Promise<void>): void {
  test.skipIf(!isThere)(name, { timeout: 120_000 }, run);
}

/** @file Test runner settings: `--project unit` is the fast tier, `--project slow` what lives in test/slow. */
import { join } from "node:path";
import { defineConfig } from "vitest/config";

const slow = "test/slow/**/*.test.ts";

export default defineConfig({
  root: join(import.meta.dirname, ".."),
  test: {
    // A process per file, as the program is one: ONNX Runtime's environment and its denormal mode belong to the process.
    pool: "forks",
    maxWorkers: "100%", // of the cores; by default one is left idle, which on two cores is half
    reporters: ["dot", join(import.meta.dirname, "reporter.ts")],
    projects: [
      { extends: true, test: { name: "unit", include: ["test/**/*.test.ts"], exclude: [slow], testTimeout: 15_000 } },
      { extends: true, test: { name: "slow", include: [slow], testTimeout: 300_000, fileParallelism: false } },
    ],
  },
});

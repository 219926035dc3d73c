/** @file Test runner settings: `--project unit` is the fast tier, `--project gpu` what runs on a software GPU, `--project slow` what lives in test/slow. */
import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { softwareGpuEnvironment } from "../scripts/software-gpu.ts";

const slow = "test/slow/**/*.test.ts";
const gpu = ["test/backend/webgpu/**/*.test.ts", "test/train/gpu*.test.ts"];

// The loader of drivers reads it when a process starts: those of the tests do so later.
Object.assign(process.env, softwareGpuEnvironment());

export default defineConfig({
  root: join(import.meta.dirname, ".."),
  test: {
    // A process per file, as the program is one: ONNX Runtime's environment and its denormal mode belong to the process.
    pool: "forks",
    maxWorkers: "100%", // of the cores; by default one is left idle, which on two cores is half
    reporters: ["dot", join(import.meta.dirname, "reporter.ts")],
    projects: [
      { extends: true, test: { name: "unit", include: ["test/**/*.test.ts"], exclude: [slow, ...gpu], testTimeout: 60_000, hookTimeout: 60_000 } },
      // Shaders compile for seconds on the CPU.
      { extends: true, test: { name: "gpu", include: gpu, testTimeout: 60_000, hookTimeout: 60_000 } },
      { extends: true, test: { name: "slow", include: [slow], testTimeout: 300_000, fileParallelism: false } },
    ],
  },
});

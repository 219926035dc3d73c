/** @file Our side, each run in a process of its own. */
import { join } from "node:path";
import type { CaseName } from "./case-names.ts";
import { type Program, runProgram } from "./processes.ts";
import { GEMM, gemmRunSchema, type MeasuredRun, measuredRunSchema } from "./runs.ts";

export async function measurePeak(): Promise<number> {
  return (await runProgram(child(GEMM), gemmRunSchema)).gflops;
}

export async function measureOurs(name: CaseName): Promise<MeasuredRun> {
  return runProgram(child(name), measuredRunSchema);
}

/** execArgv is what tsx was started with, so that the child reads TypeScript as well. */
function child(argument: string): Program {
  return { command: process.execPath, args: [...process.execArgv, join(import.meta.dirname, "child.ts"), argument] };
}

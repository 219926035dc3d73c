/** @file One case in a process of its own, so that its peak memory is its own: `tsx child.ts NAME` prints a MeasuredRun, `gemm` a GemmRun. */
import { writeFileSync } from "node:fs";
import { UserError } from "../../src/core/errors.ts";
import { gpuMemoryMb, idleDevice, startBackend } from "./backend.ts";
import { benchCase } from "./cases.ts";
import { CASE_NAMES, type CaseName } from "./case-names.ts";
import { gemmPeak } from "./gemm-peak.ts";
import { measure, PATIENCE, type Repetition } from "./measure.ts";
import { GEMM, type GemmRun, type MeasuredRun } from "./runs.ts";

/** Of an error: its message and the innermost callers. */
const STACK_LINES = 8;

/** If memory runs out, this process shall end, and no other. */
function offerAsVictim(): void {
  if (process.platform === "linux") writeFileSync("/proc/self/oom_score_adj", "1000");
}

async function run(wanted: string | undefined): Promise<MeasuredRun | GemmRun> {
  const name = CASE_NAMES.find((known) => known === wanted);
  if (name === undefined && wanted !== GEMM) throw new Error(`no case ${wanted ?? ""}`);
  const backend = await startBackend();
  return name === undefined ? { gflops: await gemmPeak(), ...backend } : measureCase(name);
}

async function measureCase(name: CaseName): Promise<MeasuredRun> {
  const repetition = (await benchCase(name)).prepare();
  let highest = gpuMemoryMb();
  const watched: Repetition = async () => {
    const time = await repetition();
    if (highest !== null) highest = Math.max(highest, gpuMemoryMb() ?? 0);
    return time;
  };
  const times = await measure(watched, PATIENCE);
  // What the last repetition left to the device must not have failed, nor run while the process ends.
  await idleDevice();
  return { times, peakMemoryMb: (process.resourceUsage().maxRSS * 1024) / 1e6, gpuMemoryMb: highest };
}

function inWords(error: unknown): string {
  if (error instanceof UserError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, STACK_LINES).join("\n") : String(error);
}

offerAsVictim();
try {
  console.log(JSON.stringify(await run(process.argv[2])));
} catch (error) {
  console.error(inWords(error));
  process.exitCode = 1;
}
process.exit(); // the backend's threads do not keep the process

/** @file One case in a process of its own, so that its peak memory is its own: `tsx child.ts NAME` prints a MeasuredRun, `gemm` a GemmRun. */
import { writeFileSync } from "node:fs";
import { benchCase } from "./cases.ts";
import { CASE_NAMES } from "./case-names.ts";
import { gemmPeak } from "./gemm-peak.ts";
import { measure, PATIENCE } from "./measure.ts";
import { GEMM, type GemmRun, type MeasuredRun } from "./runs.ts";

/** Of an error: its message and the innermost callers. */
const STACK_LINES = 8;

/** If memory runs out, this process shall end, and no other. */
function offerAsVictim(): void {
  if (process.platform === "linux") writeFileSync("/proc/self/oom_score_adj", "1000");
}

async function run(wanted: string | undefined): Promise<MeasuredRun | GemmRun> {
  if (wanted === GEMM) return { gflops: await gemmPeak() };
  const name = CASE_NAMES.find((known) => known === wanted);
  if (name === undefined) throw new Error(`no case ${wanted ?? ""}`);
  const repetition = await (await benchCase(name)).prepare();
  const times = await measure(repetition, PATIENCE);
  return { times, peakMemoryMb: (process.resourceUsage().maxRSS * 1024) / 1e6 };
}

offerAsVictim();
try {
  console.log(JSON.stringify(await run(process.argv[2])));
} catch (error) {
  console.error(error instanceof Error ? (error.stack ?? error.message).split("\n").slice(0, STACK_LINES).join("\n") : error);
  process.exitCode = 1;
}
process.exit(); // the backend's threads do not keep the process

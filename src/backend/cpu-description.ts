/** @file The CPU in words. */
import { availableParallelism, cpus } from "node:os";

/** For people, e.g. "2 CPU threads, Intel(R) Xeon(R) Processor". */
export function cpuDescription(): string {
  return `${availableParallelism()} CPU threads, ${cpus()[0]?.model.trim() ?? "unknown processor"}`;
}

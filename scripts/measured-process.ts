/** @file A process with its time and the most memory it held (Linux: VmHWM, sampled). */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";

export interface Measured {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly seconds: number;
  /** Of this process alone; 0 where the system does not tell. */
  readonly peakGigabytes: number;
}

const SAMPLE_MS = 100;

/** Runs node with these arguments; `onLine` hears every line of its output as it comes. */
export async function measuredNode(args: readonly string[], onLine: (line: string) => void = () => undefined): Promise<Measured> {
  const started = performance.now();
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let [stdout, stderr, peak] = ["", "", 0];
  const sample = async (): Promise<void> => {
    const status = await readFile(`/proc/${child.pid ?? 0}/status`, "utf8").catch(() => "");
    peak = Math.max(peak, Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1e6);
  };
  const timer = setInterval(() => void sample(), SAMPLE_MS);
  let pending = "";
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    const lines = (pending + chunk.toString()).split("\n");
    pending = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  clearInterval(timer);
  return { code, stdout, stderr, seconds: (performance.now() - started) / 1000, peakGigabytes: peak };
}

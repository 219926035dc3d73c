/** @file The real command line in a process of its own. */
import { spawn } from "node:child_process";
import { join } from "node:path";

export type Json = Readonly<Record<string, unknown>>;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly events: readonly Json[];
}

export interface ProgramOptions {
  readonly cwd?: string;
  /** Called with all output so far whenever there is more, and a way to send a signal. */
  readonly onOutput?: (out: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** `m2se ...args --json`. */
export function m2se(args: readonly string[], { cwd, onOutput }: ProgramOptions = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const bin = join(import.meta.dirname, "../../src/cli/bin.mjs");
    const child = spawn(process.execPath, [bin, ...args, "--json"], { cwd, stdio: ["ignore", "pipe", "ignore"] });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
      onOutput?.(out, (signal) => child.kill(signal));
    });
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, events: linesOf(out, signal).map((line) => JSON.parse(line) as Json) }));
  });
}

/** A killed program may leave half a line, or none. */
function linesOf(out: string, signal: NodeJS.Signals | null): string[] {
  const lines = out.trimEnd().split("\n");
  return signal === null ? lines : lines.filter((line) => line.endsWith("}"));
}

/** @file Running a program that prints one JSON line. */
import { spawn } from "node:child_process";
import type { z } from "zod";

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** Added to the environment. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Written to its standard input. */
  readonly input?: string;
}

/** A run that takes longer hangs. */
const TIMEOUT_MS = 20 * 60_000;
/** Of what a failed program said, the end that is passed on. */
const SHOWN_LINES = 12;

/** The last line the program printed, parsed. @throws Error with the reason, and the end of what it said, when it failed. */
export async function runProgram<T>({ command, args, environment = {}, input = "" }: Program, schema: z.ZodType<T>): Promise<T> {
  const { code, signal, stdout, stderr } = await finished(spawn(command, args, { env: { ...process.env, ...environment } }), input);
  if (code !== 0) throw new Error(`${failureOf({ code, signal })}\n${stderr.trim().split("\n").slice(-SHOWN_LINES).join("\n")}`.trim());
  return schema.parse(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
}

interface Finished {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

function finished(child: ReturnType<typeof spawn>, input: string): Promise<Finished> {
  // spawn's own timeout would hold this process for as long when there is no such program.
  setTimeout(() => child.kill("SIGKILL"), TIMEOUT_MS).unref();
  return new Promise((resolve, reject) => {
    let stdout = "";
    let stderr = "";
    child.stdout?.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.stdin?.on("error", () => undefined); // a program that ends before it has read its input says why elsewhere
    child.stdin?.end(input);
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

function failureOf({ code, signal }: Pick<Finished, "code" | "signal">): string {
  return signal === null ? `it ended with exit code ${code ?? "unknown"}` : `it was killed by ${signal}${signal === "SIGKILL" ? " (out of memory, or longer than 20 minutes)" : ""}`;
}

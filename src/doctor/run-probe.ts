/** @file Asks a child process, and makes an answer of whatever becomes of it: a crash, silence, noise on its output. */
import { spawn } from "node:child_process";
import { jsonOrUndefined } from "../core/json.ts";
import type { ProbeAnswer } from "./self-test.ts";

export interface ProbeOptions {
  /** Program and arguments that the name of the probe is appended to; it prints one JSON line with `kind: "probe"`. */
  readonly command: readonly string[];
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** @throws the reason of `signal` when it fires. */
export async function runProbe(probe: string, { command: [program = "", ...args], timeoutMs, signal }: ProbeOptions): Promise<ProbeAnswer> {
  const ended = await new Promise<Ended>((resolve) => {
    const child = spawn(program, [...args, probe], { stdio: ["ignore", "pipe", "pipe"], timeout: timeoutMs, killSignal: "SIGKILL", signal, windowsHide: true });
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (err = (err + chunk).slice(-LAST_WORDS)));
    child.on("error", (error) => resolve({ out, err: error.message, code: null, killedBy: null }));
    child.on("close", (code, killedBy) => resolve({ out, err, code, killedBy }));
  });
  signal.throwIfAborted();
  return answerIn(ended.out) ?? { ok: false, what: describeEnd(ended, timeoutMs) };
}

interface Ended {
  readonly out: string;
  readonly err: string;
  readonly code: number | null;
  readonly killedBy: NodeJS.Signals | null;
}

/** Characters of the error output that are kept. */
const LAST_WORDS = 4000;

/** Drivers print to the standard output too. */
function answerIn(out: string): ProbeAnswer | undefined {
  for (const line of out.split("\n").reverse()) {
    const value = jsonOrUndefined(line);
    if (typeof value !== "object" || value === null || !("kind" in value) || value.kind !== "probe") continue;
    if ("ok" in value && value.ok === true && "value" in value) return { ok: true, value: value.value };
    if ("what" in value && typeof value.what === "string") return { ok: false, what: value.what };
  }
  return undefined;
}

function describeEnd({ err, code, killedBy }: Ended, timeoutMs: number): string {
  const last = err.trim().split("\n").at(-1)?.trim() ?? "";
  const words = last === "" ? "" : `: ${last}`;
  if (killedBy === "SIGKILL") return `it gave no answer within ${timeoutMs / 1000} s${words}`;
  if (killedBy !== null) return `it crashed (${killedBy})${words}`;
  return code === null ? `it could not be started${words}` : `it ended with code ${code} and no answer${words}`;
}

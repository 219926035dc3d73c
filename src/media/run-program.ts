/**
 * @file Runs a program with pipes on any file descriptor, a time limit, size limits and cancellation, such that the
 * process is gone when the promise settles.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { UserError } from "../core/errors.ts";
import { explainStderr, mediaError } from "./media-error.ts";

/** Bytes that the program reads from `pipe:<fd>`. */
export interface PipeInput {
  readonly kind: "input";
  readonly source: Uint8Array | Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** Bytes that the program writes to `pipe:<fd>`. */
export interface PipeOutput {
  readonly kind: "output";
  /** More than this ends the program with an error. */
  readonly maxBytes: number;
  /** Takes each chunk as it comes; the chunk is the receiver's to keep. What it throws ends the program and the run. */
  readonly write: (chunk: Buffer) => void;
}

export interface ProgramRun {
  /** The file that errors are reported for. */
  readonly subject: string;
  /** Complete arguments; pipes appear as `pipe:0`, `pipe:1`, `pipe:3`, ... */
  readonly args: readonly string[];
  /** By file descriptor: 0 and 1 are stdin and stdout, 3 and up are further pipes in either direction; 2 is ours. */
  readonly pipes: Readonly<Record<number, PipeInput | PipeOutput>>;
  /** After this the program is killed. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

const STDERR_KEPT_CHARS = 16_384;
const running = new Set<ChildProcess>();

/**
 * What the program wrote to its error output (the last 16 KB), once it has ended with success and its pipes are closed.
 *
 * @param name - for messages; `path` is what is started.
 * @throws UserError MediaError: exit code, crash, time limit, too much output; SystemError: it does not start. What a
 * pipe's `source` or `write` threw. The abort reason when `signal` fires.
 */
export function runProgram(name: string, path: string, { subject, args, pipes, timeoutMs, signal }: ProgramRun): Promise<string> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const child = spawn(path, args, { stdio: stdioFor(pipes), env: environment(), windowsHide: true });
    let failure: Error | undefined;
    const fail = (error: unknown): void => {
      failure ??= error instanceof Error ? error : new Error(String(error)); // the first cause is reported; killing causes more
      child.kill("SIGKILL");
    };
    const stderr = collectStderr(child);
    connectPipes(child, pipes, { subject, fail });

    const timer = setTimeout(() => {
      fail(mediaError(subject, `${name} did not finish within ${timeoutMs / 1000} s and was stopped`));
    }, timeoutMs);
    const abort = (): void => fail(signal?.reason);
    signal?.addEventListener("abort", abort, { once: true });
    keepTrack(child);

    const release = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      running.delete(child);
    };
    child.once("error", (error) => {
      fail(startFailure(name, path, error));
      if (child.pid !== undefined) return;
      release(); // without a process, "close" is not certain to come (EMFILE)
      reject(failure ?? error);
    });
    child.once("close", (code, killedBy) => {
      release();
      if (failure !== undefined) reject(failure);
      else if (code === 0) resolve(stderr());
      else reject(exitFailure(name, subject, { code, killedBy, stderr: stderr() }));
    });
  });
}

function stdioFor(pipes: ProgramRun["pipes"]): ("ignore" | "pipe")[] {
  const length = Math.max(2, ...Object.keys(pipes).map(Number)) + 1;
  return Array.from({ length }, (_, fd) => (fd === 2 || pipes[fd] !== undefined ? "pipe" : "ignore"));
}

/**
 * Without FFREPORT, which would make ffmpeg write a log file into the current folder. GCONV_PATH leads nowhere because
 * static builds crash when they load the system's character set modules (ffprobe on every transport stream).
 */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, FFREPORT: undefined, GCONV_PATH: "/nonexistent" };
}

function connectPipes(
  child: ChildProcess,
  pipes: ProgramRun["pipes"],
  { subject, fail }: { subject: string; fail: (error: unknown) => void },
): void {
  for (const [fd, pipe] of Object.entries(pipes)) {
    const stream = child.stdio[Number(fd)];
    if (pipe.kind === "input" && stream instanceof Writable) feed(pipe, stream, fail);
    if (pipe.kind === "output" && stream instanceof Readable) drain(pipe, stream, { subject, fail });
  }
}

function feed({ source }: PipeInput, stream: Writable, fail: (error: unknown) => void): void {
  const readable = Readable.from(source instanceof Uint8Array ? [source] : source, { objectMode: false });
  pipeline(readable, stream).catch((error: unknown) => {
    // A program may stop reading early and still succeed; its exit code tells. Only the source's own errors count.
    if (!isClosedPipe(error)) fail(error);
  });
}

function drain({ maxBytes, write }: PipeOutput, stream: Readable, { subject, fail }: { subject: string; fail: (error: unknown) => void }): void {
  let received = 0;
  let stopped = false;
  stream.on("error", fail);
  stream.on("data", (chunk: Buffer) => {
    received += chunk.byteLength;
    if (stopped) return;
    if (received > maxBytes) {
      stopped = true;
      fail(mediaError(subject, `it decodes to more than the ${maxBytes} bytes that were expected`));
      return;
    }
    try {
      write(chunk);
    } catch (error) {
      stopped = true;
      fail(error);
    }
  });
}

function isClosedPipe(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "EPIPE" || code === "ECONNRESET" || code === "ERR_STREAM_PREMATURE_CLOSE" || code === "ERR_STREAM_DESTROYED";
}

function collectStderr(child: ChildProcess): () => string {
  let text = "";
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => {
    text = (text + chunk).slice(-STDERR_KEPT_CHARS);
  });
  return () => text;
}

/** Children must not outlive us; the hook is set once, with the first child. */
function keepTrack(child: ChildProcess): void {
  if (running.size === 0) {
    process.removeListener("exit", killRunning);
    process.once("exit", killRunning);
  }
  running.add(child);
}

function killRunning(): void {
  for (const child of running) child.kill("SIGKILL");
}

function startFailure(name: string, path: string, error: Error): UserError {
  const hint = `Check that ${path} can be run and that the machine has memory and processes left.`;
  return new UserError({ kind: "SystemError", where: path, what: `${name} could not be started (${error.message})`, hint }, { cause: error });
}

function exitFailure(
  name: string,
  subject: string,
  { code, killedBy, stderr }: { code: number | null; killedBy: NodeJS.Signals | null; stderr: string },
): UserError {
  if (code === null) return mediaError(subject, `${name} crashed on it (${killedBy ?? "unknown signal"})`);
  return mediaError(subject, explainStderr(stderr), { cause: new Error(`${name} exit code ${code}: ${stderr.trim()}`) });
}

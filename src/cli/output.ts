/** @file Output over two streams: results to one, everything that passes to the other. */
import type { Output } from "./context.ts";

/** The part of a stream that we use; a terminal knows its width. */
export interface Sink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface OutputOptions {
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Values go to stdout and people read stderr. */
  readonly json: boolean;
  readonly now: () => number;
}

/** Progress lines that are not on a terminal come at most this often. */
const QUIET_MS = 5000;
const CLEAR_LINE = "\r\u001b[2K";

/** Progress always goes to stderr, so that a result can be piped. */
export function createOutput({ stdout, stderr, json, now }: OutputOptions): Output {
  const people = json ? stderr : stdout;
  const terminal = stderr.isTTY === true;
  let lineIsOpen = false;
  let lastProgress = Number.NEGATIVE_INFINITY;

  const clear = (): void => {
    if (lineIsOpen) stderr.write(CLEAR_LINE);
    lineIsOpen = false;
  };

  return {
    human: (text) => {
      clear();
      people.write(`${text}\n`);
    },
    json: (value) => {
      if (!json) return;
      clear();
      stdout.write(`${JSON.stringify(value)}\n`);
    },
    progress: (text) => {
      if (terminal) {
        stderr.write(`${CLEAR_LINE}${text.slice(0, Math.max(1, (stderr.columns ?? 80) - 1))}`);
        lineIsOpen = true;
      } else if (now() - lastProgress >= QUIET_MS) {
        stderr.write(`${text}\n`);
        lastProgress = now();
      }
    },
  };
}

/** @file What is said about a command that failed, and with which exit code it ends. */
import { inspect } from "node:util";
import { CommanderError } from "commander";
import { UserError } from "../core/errors.ts";
import { describeSystemError } from "../core/files.ts";

export interface Failure {
  readonly exitCode: number;
  /** For people; absent when it has been said already. */
  readonly text?: string;
  /** For programs. */
  readonly json?: Readonly<Record<string, unknown>>;
}

/** The result that a command gave is a failure: there is nothing more to say, but the exit code. */
export class FailedResult extends Error {}

/** Failures of the machine that may hit any write, wherever it is made. */
const MACHINE_CODES = ["ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM"];

/** A user's mistake without a stack, anything unexpected with one. `stopped`: the user asked to stop before. */
export function describeFailure(thrown: unknown, { stopped }: { readonly stopped: boolean }): Failure {
  const error = machineFailure(thrown);
  if (error instanceof UserError) {
    return { exitCode: error.exitCode, text: error.message, json: { kind: "error", exitCode: error.exitCode, problems: error.problems } };
  }
  if (error instanceof CommanderError) return usageFailure(error);
  if (error instanceof FailedResult) return { exitCode: 1 };
  if (stopped && isAbort(error)) return { exitCode: 0 };
  return {
    exitCode: 1,
    text: `${stackOf(error)}${causes(error)}\nThis is a bug in m2se: please report it with the command line and the text above.`,
    json: { kind: "error", exitCode: 1, message: error instanceof Error ? error.message : inspect(error) },
  };
}

/** Commander has printed its message by now. Asking for help is no failure, forgetting the command is one. */
function usageFailure({ code, exitCode, message }: CommanderError): Failure {
  if (exitCode === 0) return { exitCode: 0 };
  const what = code === "commander.help" ? "no command given" : message.replace(/^error: /, "");
  return { exitCode: 2, json: { kind: "error", exitCode: 2, problems: [{ kind: "UsageError", where: "command line", what }] } };
}

function machineFailure(error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error) || !MACHINE_CODES.includes(String(error.code))) return error;
  return describeSystemError(error, "path" in error ? String(error.path) : "writing");
}

/** What AbortSignal.throwIfAborted and aborted calls of Node throw: the reason given to abort, or an AbortError. */
function isAbort(error: unknown): boolean {
  return error === "SIGINT" || error === "SIGTERM" || (error instanceof Error && error.name === "AbortError");
}

function causes(error: unknown): string {
  if (!(error instanceof Error) || error.cause === undefined) return "";
  return `\ncaused by ${stackOf(error.cause)}${causes(error.cause)}`;
}

function stackOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : inspect(thrown);
}

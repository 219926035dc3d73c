/** @file The process boundary: the only file that reads process, prints and exits. */
import pino from "pino";
import type { App } from "./app.ts";
import type { Launch } from "./context.ts";
import { describeFailure } from "./failure.ts";
import { createOutput } from "./output.ts";
import { buildProgram, type GlobalFlags } from "./program.ts";
import { STOP_EXIT_CODES, stopRequests } from "./stop.ts";

const args = process.argv.slice(2);
const output = createOutput({ stdout: process.stdout, stderr: process.stderr, json: args.includes("--json"), now: Date.now });
const stop = stopRequests({ now: Date.now, quit: (code) => process.exit(code), say: (text) => process.stderr.write(`\n${text}\n`) });

/** A reader that went away (`| head`) takes the rest of the output with it, not the run. */
function ignoreClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
}

async function loadApp(): Promise<App> {
  return import("../app/index.ts");
}

function fail(error: unknown): number {
  const failure = describeFailure(error, { stopped: stop.signal.aborted });
  if (failure.text !== undefined) process.stderr.write(`${failure.text}\n`);
  if (failure.json !== undefined) output.json(failure.json);
  return failure.exitCode;
}

async function run(): Promise<number> {
  const launch: Launch = async (work) => {
    const { logLevel = "warn" } = program.opts<GlobalFlags>();
    const logger = pino({ name: "m2se", level: logLevel }, pino.destination({ fd: 2, sync: true }));
    logger.debug({ args, node: process.version }, "start");
    await work({ output, logger, signal: stop.signal, workingDirectory: process.cwd(), loadApp });
  };
  const program = buildProgram(launch, { writeOut: (text) => process.stdout.write(text), writeErr: (text) => process.stderr.write(text) });
  try {
    await program.parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    return fail(error);
  }
}

/** Exits when what was written has left the process. */
function exit(code: number): void {
  process.stdout.write("", () => process.stderr.write("", () => process.exit(code)));
}

process.stdout.on("error", ignoreClosedPipe);
process.stderr.on("error", ignoreClosedPipe);
process.on("SIGINT", () => stop.request("SIGINT"));
process.on("SIGTERM", () => stop.request("SIGTERM"));
process.on("uncaughtException", (error) => exit(fail(error)));
process.on("unhandledRejection", (reason) => exit(fail(reason)));

const exitCode = await run();
exit(exitCode === 0 && stop.signalName !== undefined ? STOP_EXIT_CODES[stop.signalName] : exitCode);

/** @file `m2se doctor`. */
import { join } from "node:path";
import { Command, Option } from "commander";
import type { BackendName } from "../../config/index.ts";
import type { CommandContext, Launch } from "../context.ts";
import { FailedResult } from "../failure.ts";
import { renderDoctor } from "../render/doctor.ts";
import { backendOption } from "./run-config.ts";

export interface DoctorFlags {
  readonly backend?: BackendName;
  readonly probe?: string;
}

/** What a child process is started with: this program, asked for one probe. */
const PROBE_COMMAND = [process.execPath, join(import.meta.dirname, "../bin.mjs"), "doctor", "--json", "--probe"];

export function doctorCommand(launch: Launch): Command {
  return new Command("doctor")
    .description("what this machine has for m2se: programs, GPUs, a test of every backend, and the command that fixes each problem")
    .addOption(backendOption())
    .addOption(new Option("--probe <what>", "what a child process of doctor is asked").hideHelp())
    .action((flags: DoctorFlags) => launch((context) => runDoctor(flags, context)));
}

/**
 * Prints the report.
 *
 * @throws FailedResult when training is not possible on this machine.
 */
export async function runDoctor({ backend, probe }: DoctorFlags, { output, signal, workingDirectory, loadApp }: CommandContext): Promise<void> {
  const { answerProbe, examine } = await loadApp();
  if (probe !== undefined) {
    output.json({ kind: "probe", ...(await answerProbe(probe)) });
    return;
  }
  const options = { folder: workingDirectory, command: PROBE_COMMAND, signal, ...(backend === undefined ? {} : { backend }) };
  for await (const event of examine(options)) {
    if (event.type === "progress") {
      output.progress(event.what);
      continue;
    }
    output.human(renderDoctor(event.report));
    output.json({ kind: "doctor", ...event.report });
    if (!event.report.canTrain) throw new FailedResult("training is not possible");
  }
}

/** @file The commands and flags. Flags carry no defaults: those live in the config's schema. */
import { readFileSync } from "node:fs";
import { Command, Option } from "commander";
import { checkCommand } from "./commands/check.ts";
import { configCommand } from "./commands/config.ts";
import { dataCommand } from "./commands/data.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { evalCommand } from "./commands/eval.ts";
import { exportCommand } from "./commands/export.ts";
import { planCommand } from "./commands/plan.ts";
import { predictCommand } from "./commands/predict.ts";
import { prepareCommand } from "./commands/prepare.ts";
import { scoreCommand } from "./commands/score.ts";
import { trainCommand } from "./commands/train.ts";
import type { Launch } from "./context.ts";

/** Flags of every command. */
export interface GlobalFlags {
  readonly json?: boolean;
  readonly logLevel?: string;
}

export interface Writers {
  readonly writeOut: (text: string) => void;
  readonly writeErr: (text: string) => void;
}

const LOG_LEVELS = ["silent", "error", "warn", "info", "debug", "trace"];

/** The command line; actions go through `launch`. Mistakes are thrown as CommanderError after they were written. */
export function buildProgram(launch: Launch, writers: Writers): Command {
  const program = new Command("m2se")
    .description("Emotion videos in, a trained and evaluated EmoVerse model out.")
    .version(packageVersion())
    .addOption(new Option("--json", "machine-readable lines on stdout, text for people on stderr"))
    .addOption(new Option("--log-level <level>", "what the log on stderr holds (default: warn)").choices(LOG_LEVELS))
    .configureOutput(writers)
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("(--help lists what there is)")
    .exitOverride();
  for (const build of [demoCommand, dataCommand, checkCommand, configCommand, planCommand, prepareCommand, trainCommand, evalCommand, predictCommand, exportCommand, scoreCommand, doctorCommand]) {
    program.addCommand(inherit(build(launch), program));
  }
  return program;
}

function inherit(command: Command, parent: Command): Command {
  command.copyInheritedSettings(parent);
  for (const child of command.commands) inherit(child, command);
  return command;
}

function packageVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return typeof parsed === "object" && parsed !== null && "version" in parsed ? String(parsed.version) : "unknown";
}

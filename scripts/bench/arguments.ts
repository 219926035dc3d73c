/** @file The benchmark's command line. */
import { Command, CommanderError, Option } from "commander";
import { CASE_NAMES, type CaseName } from "./case-names.ts";

export interface BenchArguments {
  readonly json: boolean;
  /** Absent: all of them. */
  readonly only?: CaseName;
}

export interface Writers {
  readonly writeOut: (text: string) => void;
  readonly writeErr: (text: string) => void;
}

/** What was asked for, or the exit code when help was shown (0) or the command line is wrong (2); either has been written. */
export function readArguments(args: readonly string[], writers: Writers): BenchArguments | { readonly exitCode: number } {
  const program = new Command("bench")
    .description("Times training, vision and decoding beside the same work in PyTorch, where `python3 -c 'import torch'` works.")
    .addOption(new Option("--json", "one JSON object on stdout, progress on stderr"))
    .addOption(new Option("--only <name>", "a single case").choices(CASE_NAMES))
    .addHelpText("after", "\nM2SE_BENCH_PYTHON names another Python than python3.")
    .configureOutput(writers)
    .showHelpAfterError("(--help lists what there is)")
    .allowExcessArguments(false)
    .exitOverride();
  try {
    const { json = false, only } = program.parse(args, { from: "user" }).opts<{ json?: boolean; only?: CaseName }>();
    return { json, ...(only === undefined ? {} : { only }) };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { exitCode: error.exitCode === 0 ? 0 : 2 };
  }
}

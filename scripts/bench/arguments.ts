/** @file The benchmark's command line. */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { FROZEN_BASES, type FrozenBase, parseBackend, type Precision, PRECISIONS } from "../../src/backend/names.ts";
import { CASE_NAMES, type CaseName } from "./case-names.ts";
import { DEFAULT_BACKEND, GEMM } from "./runs.ts";

export interface BenchArguments {
  readonly json: boolean;
  /** As `selectBackend` takes it. */
  readonly backend: string;
  readonly precision: Precision;
  readonly frozenBase: FrozenBase;
  readonly cases: readonly CaseName[];
}

export interface Writers {
  readonly writeOut: (text: string) => void;
  readonly writeErr: (text: string) => void;
}

interface Options {
  readonly json?: boolean;
  readonly backend: string;
  readonly precision: Precision;
  readonly frozenBase: FrozenBase;
  readonly only?: CaseName | typeof GEMM;
}

/** What was asked for, or the exit code when help was shown (0) or the command line is wrong (2); either has been written. */
export function readArguments(args: readonly string[], writers: Writers): BenchArguments | { readonly exitCode: number } {
  const program = new Command("bench")
    .description("Times training, vision and decoding beside the same work in PyTorch, where `python3 -c 'import torch'` works.")
    .addOption(new Option("--json", "one JSON object on stdout, progress on stderr"))
    .addOption(new Option("--backend <name>", "webgpu, webgpu:NAME (part of the adapter's name), tensorflow, onnxruntime or cpu").default(DEFAULT_BACKEND).argParser(namedBackend))
    .addOption(new Option("--precision <name>", "of large products on a card with matrix units; the peak is measured in it too").choices(PRECISIONS).default("single"))
    .addOption(new Option("--frozen-base <type>", "of the layers' matrices in all cases but train-tiny, which trains them").choices(FROZEN_BASES).default("float32"))
    .addOption(new Option("--only <name>", `a single case; ${GEMM}: nothing but the matrix product peak`).choices([...CASE_NAMES, GEMM]))
    .addHelpText("after", "\nM2SE_BENCH_PYTHON names another Python than python3. On a GPU PyTorch runs on it too, where it has CUDA.")
    .configureOutput(writers)
    .showHelpAfterError("(--help lists what there is)")
    .allowExcessArguments(false)
    .exitOverride();
  try {
    const { json = false, backend, precision, frozenBase, only } = program.parse(args, { from: "user" }).opts<Options>();
    return { json, backend, precision, frozenBase, cases: only === undefined ? CASE_NAMES : only === GEMM ? [] : [only] };
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return { exitCode: error.exitCode === 0 ? 0 : 2 };
  }
}

/** `auto` is none: what was measured must not depend on what happened to start. */
function namedBackend(text: string): string {
  const name = parseBackend(text)?.name;
  if (name === undefined || name === "auto") throw new InvalidArgumentError("Allowed are webgpu, webgpu:NAME, tensorflow, onnxruntime and cpu.");
  return text;
}

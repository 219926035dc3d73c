/** @file Our side, each run in a process of its own. */
import { extname, join } from "node:path";
import type { z } from "zod";
import type { FrozenBase, Precision } from "../../src/backend/names.ts";
import type { CaseName } from "./case-names.ts";
import { runProgram } from "./processes.ts";
import { BACKEND_VARIABLE, FROZEN_BASE_VARIABLE, GEMM, type GemmRun, gemmRunSchema, type MeasuredRun, measuredRunSchema, PRECISION_VARIABLE } from "./runs.ts";

export interface Ours {
  readonly peak: () => Promise<GemmRun>;
  readonly run: (name: CaseName) => Promise<MeasuredRun>;
}

/** Beside this file, under the same extension: bundled, both are JavaScript. */
const CHILD = join(import.meta.dirname, `child${extname(import.meta.filename)}`);

export interface OursOptions {
  /** As `selectBackend` takes them. */
  readonly backend: string;
  readonly precision: Precision;
  readonly frozenBase: FrozenBase;
}

export function openOurs({ backend, precision, frozenBase }: OursOptions): Ours {
  // execArgv is what tsx was started with, so that the child reads TypeScript as well.
  const environment = { [BACKEND_VARIABLE]: backend, [PRECISION_VARIABLE]: precision, [FROZEN_BASE_VARIABLE]: frozenBase };
  const child = <T>(argument: string, schema: z.ZodType<T>) => runProgram({ command: process.execPath, args: [...process.execArgv, CHILD, argument], environment }, schema);
  return { peak: () => child(GEMM, gemmRunSchema), run: (name) => child(name, measuredRunSchema) };
}

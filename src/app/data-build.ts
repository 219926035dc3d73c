/** @file Converting raw datasets, and writing datasets for other programs, as the command line asks for it. */
import { buildDataset } from "../data/build/build.ts";
import type { BuildInput } from "../data/build/build.ts";
import { loadBuildOptions } from "../data/build/options.ts";
import type { BuildReport } from "../data/build/report.ts";
import { exportDataset } from "../data/emt/export.ts";
import type { ExportedFiles, ExportInput } from "../data/emt/export.ts";

export interface BuildRunOptions extends Omit<BuildInput, "options"> {
  /** YAML file of build options. */
  readonly optionsFile?: string;
  /** `path=value` texts, which win over the file. */
  readonly set?: readonly string[];
}

/** Converts a raw dataset; the result is its report. */
export async function buildRun({ optionsFile, set, ...input }: BuildRunOptions): Promise<BuildReport> {
  const options = await loadBuildOptions({ ...(optionsFile === undefined ? {} : { file: optionsFile }), ...(set === undefined ? {} : { set }) });
  return buildDataset({ ...input, options });
}

/** Writes a dataset's rows in the paper's form or as messages; the result is the number of rows of every file. */
export async function exportRun(input: ExportInput): Promise<ExportedFiles> {
  return exportDataset(input);
}

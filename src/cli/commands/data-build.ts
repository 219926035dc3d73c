/** @file `m2se data build`. */
import { resolve } from "node:path";
import { Argument, Command, Option } from "commander";
import { NOTICES_FILE } from "../../data/build/build.ts";
import { SOURCES, type SourceName } from "../../data/converters/index.ts";
import type { CommandContext, Launch } from "../context.ts";
import { renderBuildReport } from "../render/build-report.ts";
import { collect } from "./values.ts";

export interface BuildFlags {
  readonly root: string;
  readonly out: string;
  readonly media?: string;
  readonly options?: string;
  readonly set?: readonly string[];
}

export function dataBuildCommand(launch: Launch): Command {
  return new Command("build")
    .description("convert a raw dataset: MELD, ECF 2.0, CMU-MOSEI (MMSA's layout), EMT or ms-swift rows")
    .addArgument(new Argument("<source>", "what lies in --root").choices(SOURCES))
    .requiredOption("--root <folder>", "the raw dataset; it is only read")
    .requiredOption("--out <folder>", "the new dataset; an earlier build there is replaced")
    .option("--media <folder>", "folder that holds the clips (default: --root)")
    .option("--options <file>", "rules of the build, a YAML file; src/data/build/options.ts lists them")
    .addOption(new Option("--set <path=value>", "one rule, e.g. media.maxSeconds=60; repeatable").argParser(collect))
    .action((source: SourceName, flags: BuildFlags) => launch((context) => runDataBuild(source, flags, context)));
}

/** Converts the dataset of the flags and prints the report. */
export async function runDataBuild(source: SourceName, { root, out, media, options, set }: BuildFlags, { output, signal, workingDirectory, loadApp }: CommandContext): Promise<void> {
  const { buildRun } = await loadApp();
  const at = (path: string): string => resolve(workingDirectory, path);
  const report = await buildRun({
    source,
    root: at(root),
    out: at(out),
    ...(media === undefined ? {} : { mediaRoot: at(media) }),
    ...(options === undefined ? {} : { optionsFile: at(options) }),
    ...(set === undefined ? {} : { set }),
    signal,
    onProgress: ({ records }) => output.progress(`${records} records`),
  });
  output.human(renderBuildReport(report, { notices: `${out}/${NOTICES_FILE}` }));
  output.json({ kind: "build", out: at(out), ...report });
}

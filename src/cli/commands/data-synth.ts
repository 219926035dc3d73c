/** @file `m2se data synth`. */
import { resolve } from "node:path";
import { Command } from "commander";
import type { CommandContext, Launch } from "../context.ts";
import { renderDataset } from "./dataset.ts";
import { integer, positiveInteger } from "./values.ts";

export interface SynthFlags {
  readonly out: string;
  readonly clips?: number;
  readonly seed?: number;
}

export function dataSynthCommand(launch: Launch): Command {
  return new Command("synth")
    .description("render a synthetic EMT dataset: mp4 clips, five tasks, three splits")
    .requiredOption("--out <folder>", "where to; must not exist yet")
    .option("--clips <n>", "number of clips over all splits (default: 1200)", positiveInteger)
    .option("--seed <n>", "equal seeds give equal datasets (default: 1)", integer)
    .action((flags: SynthFlags) => launch((context) => runDataSynth(flags, context)));
}

/** Renders the dataset of the flags. */
export async function runDataSynth({ out, clips = 1200, seed = 1 }: SynthFlags, context: CommandContext): Promise<void> {
  await renderDataset({ root: resolve(context.workingDirectory, out), clips, seed }, context);
}

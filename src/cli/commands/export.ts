/** @file `m2se export`. */
import { resolve } from "node:path";
import { Command, Option } from "commander";
import type { BackendName } from "../../config/index.ts";
import type { ExportResult } from "../app.ts";
import type { CommandContext, Launch } from "../context.ts";
import { renderCount } from "../render/numbers.ts";
import { backendOption } from "./run-config.ts";

export interface ExportFlags {
  readonly checkpoint: string;
  readonly out: string;
  readonly format?: ExportResult["format"];
  readonly backend?: BackendName;
}

export function exportCommand(launch: Launch): Command {
  return new Command("export")
    .description("write a checkpoint as a folder that other programs read")
    .requiredOption("--checkpoint <folder>", "the model")
    .requiredOption("--out <folder>", "a new folder")
    .addOption(new Option("--format <format>", "peft: adapters alone (default); merged: the whole model with them folded in, checked by reading it again").choices(["peft", "merged"]))
    .addOption(backendOption())
    .action((flags: ExportFlags) => launch((context) => runExport(flags, context)));
}

/** Writes the folder and says what is in it. */
export async function runExport({ checkpoint, out, format = "peft", ...flags }: ExportFlags, { output, signal, workingDirectory, loadApp }: CommandContext): Promise<void> {
  const { exportCheckpoint } = await loadApp();
  const result = await exportCheckpoint({ checkpoint: resolve(workingDirectory, checkpoint), out: resolve(workingDirectory, out), format, ...flags, signal });
  output.human(renderExport(result));
  output.json({ kind: "export", ...result });
}

function renderExport({ format, out, files, adapters, alsoTrained, logits }: ExportResult): string {
  const more = alsoTrained === 0 ? "" : `, and ${renderCount(alsoTrained)} parameters that were trained whole`;
  const what = `${out}: ${renderCount(adapters)} adapters ${format === "peft" ? "in PEFT's form" : "folded into the model"}${more}, in ${files.length} files`;
  if (logits === undefined) return what;
  return `${what}\nlargest difference of its logits, read again, to base with adapters: ${logits.difference.toExponential(1)} (the largest logit is ${logits.largest.toPrecision(3)})`;
}

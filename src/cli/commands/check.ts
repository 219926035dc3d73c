/** @file `m2se check`. */
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { UserError } from "../../core/errors.ts";
import type { CommandContext, Launch } from "../context.ts";
import { badFindings, renderCheck } from "../render/check.ts";
import { loadRunConfig, withConfigFlags, type ConfigFlags } from "./run-config.ts";

export interface CheckFlags extends ConfigFlags {
  readonly media?: "header" | "none";
  readonly fixOut?: string;
}

export function checkCommand(launch: Launch): Command {
  return withConfigFlags(new Command("check").description("preflight: every media file, label, duplicate and token budget of a config's dataset"))
    .addOption(new Option("--media <how>", "header: look into every clip's header (default); none: do not look at clips").choices(["header", "none"]))
    .option("--fix-out <folder>", "write the dataset without what is bad")
    .action((flags: CheckFlags) => launch((context) => runCheck(flags, context)));
}

/**
 * Prints the report.
 *
 * @throws UserError (DataError) when something is bad.
 */
export async function runCheck({ media, fixOut, ...flags }: CheckFlags, context: CommandContext): Promise<void> {
  const { output, signal, workingDirectory } = context;
  const { config } = await loadRunConfig(flags, context);
  const { checkRun } = await context.loadApp();
  const options = { config, signal, ...(media === undefined ? {} : { media }), ...(fixOut === undefined ? {} : { fixOut: resolve(workingDirectory, fixOut) }) };
  for await (const event of checkRun(options)) {
    if (event.type === "progress") {
      output.progress(`${event.records} records, ${event.clips} clips`);
      continue;
    }
    if (event.type === "finding") {
      const { type, kind: finding, ...rest } = event;
      output.json({ kind: type, finding, ...rest });
      continue;
    }
    output.human(renderCheck(event.report));
    output.json({ kind: "check", ...event.report });
    const bad = badFindings(event.report);
    if (bad > 0) {
      const hint = event.report.fixed === undefined ? "--fix-out DIR writes the dataset without them." : `The dataset without them is in ${event.report.fixed.out}: set data.root to it.`;
      throw new UserError({ kind: "DataError", where: config.data.root, what: `${bad} bad ${bad === 1 ? "finding" : "findings"} in the dataset, listed above by kind (--json lists every one)`, hint });
    }
  }
}

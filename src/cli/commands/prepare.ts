/** @file `m2se prepare`. */
import { Command } from "commander";
import type { PrepareEvent, Shard } from "../app.ts";
import type { CommandContext, Launch } from "../context.ts";
import { renderEncoding } from "../render/events.ts";
import { renderPrepared, renderPrepareStart } from "../render/prepare.ts";
import { ensureDataset } from "./dataset.ts";
import { loadRunConfig, runFolder, withConfigFlags, type ConfigFlags } from "./run-config.ts";
import { shard } from "./values.ts";

export interface PrepareFlags extends ConfigFlags {
  readonly runDir?: string;
  readonly shard?: Shard;
}

export function prepareCommand(launch: Launch): Command {
  return withConfigFlags(new Command("prepare").description("compute what frozen towers make of every clip, once, for all stages and evaluations"))
    .option("--run-dir <folder>", "the run whose cache is filled where the config names none (default: runs/<name of the config>)")
    .option("--shard <i/n>", "the i-th of n parts of the clips, from 1: the shards may run at the same time", shard)
    .action((flags: PrepareFlags) => launch((context) => runPrepare(flags, context)));
}

/** Fills the cache of the flags' config and says what was done. */
export async function runPrepare({ runDir, shard: part, ...flags }: PrepareFlags, context: CommandContext): Promise<void> {
  const { output, logger, signal } = context;
  const { config } = await loadRunConfig(flags, context);
  await ensureDataset(config, context);
  const { prepareRun } = await context.loadApp();
  for await (const event of prepareRun({ config, runDir: runFolder(runDir, config.name, context.workingDirectory), ...(part === undefined ? {} : { shard: part }), signal })) {
    logger.debug(event);
    output.json(event);
    if (event.kind === "encoding") output.progress(renderEncoding(event));
    else output.human(renderPrepareEvent(event));
  }
}

function renderPrepareEvent(event: Exclude<PrepareEvent, { kind: "encoding" }>): string {
  switch (event.kind) {
    case "prepare-start":
      return renderPrepareStart(event);
    case "prepared":
      return renderPrepared(event);
    case "warning":
      return `warning: ${event.message}`;
    default:
      return event satisfies never;
  }
}

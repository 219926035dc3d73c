/** @file `m2se train`. */
import { Command } from "commander";
import type { RunConfig } from "../../config/index.ts";
import { selectStages } from "../../curriculum/stage.ts";
import type { CommandContext, Launch } from "../context.ts";
import { renderClips, renderEncoding, renderEvent, renderStep } from "../render/events.ts";
import { updatePace, type Pace } from "../render/pace.ts";
import { ensureDataset } from "./dataset.ts";
import { loadRunConfig, runFolder, withConfigFlags, type ConfigFlags } from "./run-config.ts";

export interface TrainFlags extends ConfigFlags {
  readonly stage: string;
  readonly runDir?: string;
  readonly resume?: boolean;
}

export function trainCommand(launch: Launch): Command {
  return withConfigFlags(new Command("train").description("train one stage or all of them"))
    .requiredOption("--stage <stage>", "all, a position from 1 on, or a name")
    .option("--run-dir <folder>", "where the run is kept (default: runs/<name of the config>)")
    .option("--resume", "go on from the last checkpoint of this run directory")
    .action((flags: TrainFlags) => launch((context) => runTrain(flags, context)));
}

/** Trains the chosen stages of the flags' config. */
export async function runTrain({ stage, runDir, resume = false, ...flags }: TrainFlags, context: CommandContext): Promise<void> {
  const { config } = await loadRunConfig(flags, context);
  const stages = selectStages(config.stages, stage).map(({ name }) => name);
  await trainStages({ config, stages, runDir: runFolder(runDir, config.name, context.workingDirectory), resume }, context);
}

export interface StagesToTrain {
  readonly config: RunConfig;
  readonly stages: readonly string[];
  readonly runDir: string;
  readonly resume: boolean;
}

/** Runs the loop and tells its events: steps as progress, the rest as lines that stay. */
export async function trainStages(options: StagesToTrain, context: CommandContext): Promise<void> {
  const { output, logger, signal } = context;
  await ensureDataset(options.config, context);
  const { trainRun } = await context.loadApp();
  output.human(`run directory ${options.runDir}`);
  let pace: Pace | undefined;
  for await (const event of trainRun({ ...options, signal })) {
    logger.debug(event);
    output.json(event);
    if (event.kind === "clips") output.progress(renderClips(event));
    if (event.kind === "encoding") output.progress(renderEncoding(event));
    if (event.kind === "step") {
      pace = updatePace(pace, event);
      output.progress(renderStep(event, pace));
    }
    const line = renderEvent(event);
    if (line !== undefined) output.human(line);
  }
}

/** @file `m2se demo`: the main job in one command. */
import { join } from "node:path";
import { Command } from "commander";
import { TASK_NAMES } from "../../tasks/task.ts";
import type { CommandContext, Launch } from "../context.ts";
import { renderDuration } from "../render/numbers.ts";
import { evaluateTasks } from "./eval.ts";
import { backendOption, loadRunConfig, runFolder, setOption, type ConfigFlags } from "./run-config.ts";
import { trainStages } from "./train.ts";

export interface DemoFlags extends Partial<ConfigFlags> {
  readonly runDir?: string;
  readonly resume?: boolean;
}

const DEFAULT_CONFIG = join(import.meta.dirname, "../../../configs/tiny.yaml");

export function demoCommand(launch: Launch): Command {
  return new Command("demo")
    .description("the main job: render a dataset, train every stage, evaluate every task, print the table")
    .option("--config <file>", "another experiment (default: the tiny one that comes with m2se)")
    .addOption(setOption())
    .addOption(backendOption())
    .option("--run-dir <folder>", "where the run is kept (default: runs/<name of the config>)")
    .option("--resume", "go on from the last checkpoint of this run directory")
    .action((flags: DemoFlags) => launch((context) => runDemo(flags, context)));
}

/** Renders what is missing, trains, evaluates; stops after the training when asked to stop. */
export async function runDemo({ config: file = DEFAULT_CONFIG, runDir, resume = false, ...flags }: DemoFlags, context: CommandContext): Promise<void> {
  const started = Date.now();
  const { config } = await loadRunConfig({ config: file, ...flags }, context);
  const folder = runFolder(runDir, config.name, context.workingDirectory);
  await trainStages({ config, stages: config.stages.map(({ name }) => name), runDir: folder, resume }, context);
  if (context.signal.aborted) return;
  await evaluateTasks({ source: { runDir: folder }, tasks: TASK_NAMES }, context);
  context.output.human(`done in ${renderDuration(Date.now() - started)}; the run is in ${folder}`);
}

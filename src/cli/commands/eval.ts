/** @file `m2se eval`. */
import { resolve } from "node:path";
import { Command, Option } from "commander";
import type { BackendName, InputModality } from "../../config/index.ts";
import { UserError } from "../../core/errors.ts";
import { SPLITS, type Split } from "../../data/record.ts";
import type { TaskName } from "../../tasks/task.ts";
import type { ScoresFile } from "../../eval/score.ts";
import type { EvalEvent, EvalOptions } from "../app.ts";
import type { CommandContext, Launch } from "../context.ts";
import { renderClips } from "../render/events.ts";
import { renderScores } from "../render/scores.ts";
import { backendOption } from "./run-config.ts";
import { modalityList, positiveInteger, taskList } from "./values.ts";

export interface EvalFlags {
  readonly runDir?: string;
  readonly checkpoint?: string;
  readonly task: readonly TaskName[];
  readonly split?: Split;
  readonly decode?: "auto" | "score" | "generate";
  readonly modalities?: readonly InputModality[];
  readonly backend?: BackendName;
  readonly limit?: number;
}

export function evalCommand(launch: Launch): Command {
  return new Command("eval")
    .description("answer a split's prompts, write predictions and scores, print them beside rules without a model")
    .option("--run-dir <folder>", "a run: its last finished stage is evaluated")
    .option("--checkpoint <folder>", "one checkpoint")
    .requiredOption("--task <tasks>", "msa, erc, fer, eri, ecpe with commas between, or all", taskList)
    .addOption(new Option("--split <split>", "which records (default: the config's)").choices(SPLITS))
    .addOption(new Option("--decode <how>", "score: likelihood of every label; generate: greedy text; auto: score where answers are a closed set").choices(["auto", "score", "generate"]))
    .option("--modalities <inputs>", "inputs that are switched on: video, audio, text with commas between", modalityList)
    .addOption(backendOption())
    .option("--limit <n>", "at most this many samples per task", positiveInteger)
    .action((flags: EvalFlags) => launch((context) => runEval(flags, context)));
}

/** Evaluates the run or checkpoint of the flags and prints its scores. */
export async function runEval({ runDir, checkpoint, task, ...flags }: EvalFlags, context: CommandContext): Promise<void> {
  await evaluateTasks({ source: sourceOf({ runDir, checkpoint }, context.workingDirectory), tasks: task, ...flags }, context);
}

function sourceOf({ runDir, checkpoint }: { readonly runDir: string | undefined; readonly checkpoint: string | undefined }, workingDirectory: string): EvalOptions["source"] {
  if (runDir !== undefined && checkpoint === undefined) return { runDir: resolve(workingDirectory, runDir) };
  if (runDir === undefined && checkpoint !== undefined) return { checkpoint: resolve(workingDirectory, checkpoint) };
  const got = runDir === undefined ? "neither --run-dir nor --checkpoint" : "both --run-dir and --checkpoint";
  throw new UserError({ kind: "ConfigError", where: "m2se eval", what: `got ${got}, expected one of them` });
}

/** Runs the evaluation, tells its progress and prints the table at the end. */
export async function evaluateTasks(options: Omit<EvalOptions, "signal">, { output, logger, signal, loadApp }: CommandContext): Promise<readonly ScoresFile[]> {
  const { evalRun } = await loadApp();
  const all: ScoresFile[] = [];
  for await (const event of evalRun({ ...options, signal })) {
    logger.debug(event);
    output.json(event);
    const line = renderEvalEvent(event);
    if (event.kind === "clips") output.progress(renderClips(event));
    else if (event.kind === "evaluation-progress") output.progress(`${event.task} ${event.done}/${event.total}`);
    else if (line !== undefined) output.human(line);
    if (event.kind === "scores") all.push(event.scores);
  }
  if (all.length > 0) output.human(renderScores(all));
  return all;
}

function renderEvalEvent(event: EvalEvent): string | undefined {
  switch (event.kind) {
    case "evaluation-start":
      return `backend ${event.backend} (${event.device}), checkpoint ${event.checkpoint}, ${event.split} split`;
    case "warning":
      return `warning: ${event.message}`;
    case "clips":
    case "evaluation-progress":
    case "scores":
      return undefined;
    default:
      return event satisfies never;
  }
}

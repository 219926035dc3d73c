/** @file `m2se predict`. */
import { resolve } from "node:path";
import { Command } from "commander";
import type { BackendName } from "../../config/index.ts";
import { TASK_NAMES, type TaskName } from "../../tasks/task.ts";
import type { CommandContext, Launch } from "../context.ts";
import { renderTable } from "../render/table.ts";
import { backendOption } from "./run-config.ts";
import { taskList } from "./values.ts";

export interface PredictFlags {
  readonly checkpoint: string;
  readonly video: string;
  readonly text?: string;
  readonly task?: readonly TaskName[];
  readonly backend?: BackendName;
}

export function predictCommand(launch: Launch): Command {
  return new Command("predict")
    .description("ask a checkpoint about one video")
    .requiredOption("--checkpoint <folder>", "the model")
    .requiredOption("--video <file>", "the clip")
    .option("--text <words>", "what is said in it")
    .option("--task <tasks>", "tasks with commas between, or all", taskList)
    .addOption(backendOption())
    .action((flags: PredictFlags) => launch((context) => runPredict(flags, context)));
}

/** Prints the model's answer to every chosen task. */
export async function runPredict({ checkpoint, video, text = "", task = TASK_NAMES, ...flags }: PredictFlags, { output, signal, workingDirectory, loadApp }: CommandContext): Promise<void> {
  const { predictRun } = await loadApp();
  const { answers, warnings } = await predictRun({ checkpoint: resolve(workingDirectory, checkpoint), video: resolve(workingDirectory, video), text, tasks: task, ...flags, signal });
  for (const message of warnings) {
    output.human(`warning: ${message}`);
    output.json({ kind: "warning", message });
  }
  output.human(renderTable([{ title: "task" }, { title: "answer" }], answers.map((answer) => [answer.task, answer.response])));
  for (const answer of answers) output.json({ kind: "answer", ...answer });
}

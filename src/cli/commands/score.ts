/** @file `m2se score`. */
import { resolve } from "node:path";
import { Command, Option } from "commander";
import { SPLITS, type Split } from "../../data/record.ts";
import { PROTOCOLS, type ProtocolName } from "../../scoring/protocol.ts";
import { TASK_NAMES, type TaskName } from "../../tasks/task.ts";
import type { CommandContext, Launch } from "../context.ts";
import { renderReport } from "../render/report.ts";

export interface ScoreFlags {
  readonly task: TaskName;
  readonly protocol: ProtocolName;
  readonly predictions: string;
  readonly gold?: string;
  readonly split?: Split;
  readonly slips?: boolean;
  readonly lenient?: boolean;
  readonly out?: string;
  readonly submission?: string;
  readonly swift?: string;
}

export function scoreCommand(launch: Launch): Command {
  return new Command("score")
    .description("score the output of any system: m2se predictions, ECAC JSON, CSV with y_true and y_pred, ms-swift and LLaMA-Factory predictions")
    .addOption(new Option("--task <task>", "what was asked; mer is the paper's name of erc").choices([...TASK_NAMES, "mer"]).makeOptionMandatory())
    .addOption(new Option("--protocol <protocol>", "whose way of counting: the benchmark's program, the paper's script for its own or for other models, or m2se eval").choices([...PROTOCOLS]).makeOptionMandatory())
    .requiredOption("--predictions <file>", "what the system said")
    .option("--gold <file>", "what is right, unless the predictions hold it")
    .addOption(new Option("--split <split>", "of a gold file with several splits (default: test)").choices(SPLITS))
    .option("--slips", "paper protocols: reproduce the known slips of compute_result.py")
    .option("--lenient", "official ECPE: count as wrong what the official program refuses")
    .option("--out <file>", "write the scores file here")
    .option("--submission <file>", "ECPE: write a zip for SemEval-2024 task 3; --gold is the organisers' file, labelled or not")
    .option("--swift <file>", "write the answers as ms-swift inference rows, which compute_result.py reads")
    .action((flags: Omit<ScoreFlags, "task"> & { readonly task: TaskName | "mer" }) => launch((context) => runScore({ ...flags, task: flags.task === "mer" ? "erc" : flags.task }, context)));
}

/** Scores the files of the flags and prints the report. */
export async function runScore({ predictions, gold, out, submission, swift, ...flags }: ScoreFlags, { output, workingDirectory, loadApp }: CommandContext): Promise<void> {
  const { scoreRun } = await loadApp();
  const path = (file: string): string => resolve(workingDirectory, file);
  const files = Object.fromEntries(Object.entries({ gold, out, submission, swift }).flatMap(([name, file]) => (file === undefined ? [] : [[name, path(file)]])));
  for await (const event of scoreRun({ ...flags, predictions: path(predictions), ...files })) {
    output.json(event.kind === "score" ? { kind: "score", ...event.report } : event);
    switch (event.kind) {
      case "score":
        output.human(renderReport(event.report));
        break;
      case "submission":
        output.human(`wrote ${event.path}: ${event.conversations} conversations, ${event.pairs} pairs${event.empty === 0 ? "" : `; ${event.empty} conversations have no prediction and no pair`}`);
        break;
      case "swift-rows":
        output.human(`wrote ${event.path}: ${event.rows} rows${event.replaced === 0 ? "" : `; ${event.replaced} answers that would end compute_result.py are written as wrong ones`}`);
        break;
      default:
        event satisfies never;
    }
  }
}

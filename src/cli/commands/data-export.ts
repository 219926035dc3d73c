/** @file `m2se data export`. */
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { EXPORT_FORMS, EXPORT_TASKS, type ExportForm, type ExportTask } from "../../data/emt/export.ts";
import type { CommandContext, Launch } from "../context.ts";
import { renderCount } from "../render/numbers.ts";
import { renderTable } from "../render/table.ts";
import { taskList } from "./values.ts";

export interface ExportFlags {
  readonly root: string;
  readonly out: string;
  readonly form?: ExportForm;
  readonly task?: readonly ExportTask[];
  readonly mediaPrefix?: string;
}

export function dataExportCommand(launch: Launch): Command {
  return new Command("export")
    .description("write a dataset as rows that ms-swift reads, one file per task and split")
    .requiredOption("--root <folder>", "a dataset of m2se")
    .requiredOption("--out <folder>", "where to; must be empty")
    .addOption(new Option("--form <form>", "paper: lists of query, response, videos (default); messages: JSON lines of ms-swift 3").choices(EXPORT_FORMS))
    .option("--task <tasks>", "tasks with commas between, or all (default)", exportTasks)
    .option("--media-prefix <text>", "stands before every media path (default: the media folder's absolute path)")
    .action((flags: ExportFlags) => launch((context) => runDataExport(flags, context)));
}

/** Writes the files and prints how many rows each has. */
export async function runDataExport({ root, out, form = "paper", task = EXPORT_TASKS, mediaPrefix }: ExportFlags, { output, workingDirectory, loadApp }: CommandContext): Promise<void> {
  const { exportRun } = await loadApp();
  const files = await exportRun({ root: resolve(workingDirectory, root), out: resolve(workingDirectory, out), form, tasks: task, mediaPrefix });
  output.human(renderTable([{ title: "file" }, { title: "rows", align: "right" }], Object.entries(files).map(([name, rows]) => [name, renderCount(rows)])));
  output.json({ kind: "export", out: resolve(workingDirectory, out), files });
}

function exportTasks(text: string): readonly ExportTask[] {
  const wanted = taskList(text);
  const tasks = EXPORT_TASKS.filter((task) => wanted.includes(task));
  if (tasks.length === 0) throw new InvalidArgumentError("Expected at least one task.");
  return tasks;
}

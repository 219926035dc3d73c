/** @file The registry of tasks: the compiler asks for a line here when a task is named. */
import { UserError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { causePairs } from "./cause-pairs.ts";
import { emotion } from "./emotion.ts";
import { emotionReason } from "./emotion-reason.ts";
import { facialExpression } from "./facial-expression.ts";
import { sentiment } from "./sentiment.ts";
import { TASK_NAMES } from "./task.ts";
import type { Task, TaskName } from "./task.ts";

export const TASKS = {
  msa: sentiment,
  erc: emotion,
  fer: facialExpression,
  eri: emotionReason,
  ecpe: causePairs,
} as const satisfies Record<TaskName, Task>;

/**
 * The task that a user's word means; `mer`, the paper's word, is erc.
 *
 * @param where - what the user can look at: a flag or a config path.
 */
export function parseTaskName(word: string, where = "--task"): TaskName {
  const name = word.trim().toLowerCase();
  const known = TASK_NAMES.find((task) => task === (name === "mer" ? "erc" : name));
  if (known !== undefined) return known;
  throw new UserError({ kind: "ConfigError", where, what: `unknown task "${word}"`, hint: didYouMean(name, TASK_NAMES) });
}

/** @file The registry of tasks: the compiler asks for a line here when a task is named. */
import { causePairs } from "./cause-pairs.ts";
import { emotionReason } from "./emotion-reason.ts";
import { emotion } from "./emotion.ts";
import { facialExpression } from "./facial-expression.ts";
import { sentiment } from "./sentiment.ts";
import type { Task, TaskName } from "./task.ts";

export const TASKS = {
  msa: sentiment,
  erc: emotion,
  fer: facialExpression,
  eri: emotionReason,
  ecpe: causePairs,
} as const satisfies Record<TaskName, Task>;

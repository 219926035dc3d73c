/** @file Smoothed speed and losses of a stage, folded over its step events. */
import type { RunEvent } from "../../train/events.ts";

type StepEvent = RunEvent & { readonly kind: "step" };

export interface Pace {
  readonly stage: string;
  readonly millisecondsPerStep: number;
  readonly tokensPerSecond: number;
  /** Per supervised token; a task keeps its value through steps that do not hold it. */
  readonly taskLoss: Readonly<Record<string, number>>;
}

/** Weight of the newest step: about the last ten steps count. */
const NEWEST = 0.2;

/** The pace after one more step; a new stage starts afresh. */
export function updatePace(pace: Pace | undefined, event: StepEvent): Pace {
  const before = pace?.stage === event.stage ? pace : undefined;
  const taskLoss = Object.entries(event.taskLoss).map(([task, loss]) => [task, smooth(before?.taskLoss[task], loss)] as const);
  return {
    stage: event.stage,
    millisecondsPerStep: smooth(before?.millisecondsPerStep, event.milliseconds),
    tokensPerSecond: smooth(before?.tokensPerSecond, (event.tokens * 1000) / Math.max(1, event.milliseconds)),
    taskLoss: { ...before?.taskLoss, ...Object.fromEntries(taskLoss) },
  };
}

function smooth(before: number | undefined, newest: number): number {
  return before === undefined ? newest : before + NEWEST * (newest - before);
}

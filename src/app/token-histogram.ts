/** @file Lengths of samples per task, counted exactly and kept small. */
import type { TaskName } from "../tasks/task.ts";

export interface TaskLengths {
  readonly samples: number;
  readonly mean: number;
  /** Half, and 95 of 100, of the samples are at most this long. */
  readonly median: number;
  readonly p95: number;
  readonly longest: number;
  /** Samples with at most so many tokens and more than the size before: 64, 128, 256, ... */
  readonly histogram: Readonly<Record<string, number>>;
  readonly supervisedTokens: number;
}

export interface LengthCounter {
  add(task: TaskName, sample: { readonly tokens: number; readonly supervised: number }): void;
  lengths(): Readonly<Partial<Record<TaskName, TaskLengths>>>;
}

const SMALLEST = 64;

export function createLengthCounter(): LengthCounter {
  const tasks = new Map<TaskName, { counts: Map<number, number>; supervised: number }>();
  return {
    add: (task, { tokens, supervised }) => {
      const entry = tasks.get(task) ?? { counts: new Map<number, number>(), supervised: 0 };
      tasks.set(task, entry);
      entry.counts.set(tokens, (entry.counts.get(tokens) ?? 0) + 1);
      entry.supervised += supervised;
    },
    lengths: () => Object.fromEntries([...tasks].map(([task, { counts, supervised }]) => [task, describe(counts, supervised)])),
  };
}

function describe(counts: ReadonlyMap<number, number>, supervisedTokens: number): TaskLengths {
  const sorted = [...counts].sort(([a], [b]) => a - b);
  const samples = sorted.reduce((sum, [, count]) => sum + count, 0);
  const total = sorted.reduce((sum, [tokens, count]) => sum + tokens * count, 0);
  const quantile = (share: number): number => {
    let seen = 0;
    return sorted.find(([, count]) => (seen += count) >= share * samples)?.[0] ?? 0;
  };
  const histogram: Record<string, number> = {};
  for (const [tokens, count] of sorted) {
    const size = Math.max(SMALLEST, 2 ** Math.ceil(Math.log2(tokens)));
    histogram[size] = (histogram[size] ?? 0) + count;
  }
  return { samples, mean: total / samples, median: quantile(0.5), p95: quantile(0.95), longest: sorted.at(-1)?.[0] ?? 0, histogram, supervisedTokens };
}

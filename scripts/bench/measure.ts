/** @file Repeating something until its median is worth reading. */

/** Does the work once; milliseconds it took. */
export type Repetition = () => Promise<number>;

export interface Patience {
  /** First runs, not counted: they compile graphs and fill pools. One that takes longer than `budgetMs` is enough. */
  readonly warmups: number;
  readonly least: number;
  readonly most: number;
  /** After `least` repetitions, another one starts only while these milliseconds have not been used up. */
  readonly budgetMs: number;
}

/** For both sides alike; the peer is told these numbers. */
export const PATIENCE: Patience = { warmups: 2, least: 3, most: 40, budgetMs: 5000 };

/** Milliseconds of every counted repetition. */
export async function measure(repetition: Repetition, { warmups, least, most, budgetMs }: Patience): Promise<number[]> {
  for (let i = 0, used = 0; i < warmups && used < budgetMs; i++) used += await repetition();
  const times: number[] = [];
  let used = 0;
  while (times.length < least || (times.length < most && used < budgetMs)) {
    const time = await repetition();
    times.push(time);
    used += time;
  }
  return times;
}

/** The middle value, or the mean of the middle two. Of no values there is none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined) throw new Error("median of no values");
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

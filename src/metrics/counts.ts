/**
 * @file Rows as counts that add up. What a metric needs of many rows is the sum of what it needs of each, so the score
 * of any choice of rows (all of them, or a bootstrap sample) is a function of one vector.
 */

/** What a metric counts in one row, or in several: same length and meaning for all rows of a measure. */
export type Counts = Float64Array;

export interface Counted<Scores> {
  /** One vector per row, in order. */
  readonly rows: readonly Counts[];
  readonly scoresOf: (sum: Counts) => Scores;
}

/** The scores of all rows. */
export function scoreCounted<Scores>({ rows, scoresOf }: Counted<Scores>): Scores {
  return scoresOf(addCounts(rows));
}

/** The sum; empty without rows, which every reader takes as zeros. */
export function addCounts(rows: readonly Counts[]): Counts {
  const total = new Float64Array(rows[0]?.length ?? 0);
  for (const row of rows) for (let i = 0; i < total.length; i++) total[i] = total[i]! + row[i]!;
  return total;
}

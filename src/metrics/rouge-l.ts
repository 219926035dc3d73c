/** @file ROUGE-L: longest common subsequence of words. */
import { mean, ratio } from "./ratio.ts";
import { wordsOf } from "./text-row.ts";
import type { TextRow } from "./text-row.ts";

/**
 * Sentence-level ROUGE-L F1 (precision and recall weighted equally, one reference), averaged over rows, in [0, 1].
 * Words are lower-cased and split at white space, without stemming. 0 for no rows and for empty texts.
 *
 * @see Lin 2004, eq. 2-4 with beta = 1.
 */
export function rougeL(rows: readonly TextRow[]): number {
  return mean(rows.map(rougeLOfRow));
}

/** ROUGE-L F1 of one row. */
export function rougeLOfRow({ reference, response }: TextRow): number {
  const gold = wordsOf(reference);
  const words = wordsOf(response);
  return ratio(2 * commonSubsequence(gold, words), gold.length + words.length);
}

/** Length of the longest common subsequence, one row of the table at a time. */
function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const word of a) {
    const next = [0];
    for (let j = 1; j <= b.length; j++) {
      next.push(word === b[j - 1] ? (row[j - 1] ?? 0) + 1 : Math.max(row[j] ?? 0, next[j - 1] ?? 0));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

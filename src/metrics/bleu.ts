/** @file BLEU-4 of a corpus. */
import { addCounts } from "./counts.ts";
import type { Counts } from "./counts.ts";
import { mean, ratio, sum } from "./ratio.ts";
import { wordsOf } from "./text-row.ts";
import type { TextRow } from "./text-row.ts";

const ORDERS = [1, 2, 3, 4] as const;

/**
 * Corpus BLEU-4 with one reference per row and brevity penalty, in [0, 1]. Words are lower-cased and split at white
 * space. An order without a match is smoothed as in NIST's mteval (sacreBLEU's default "exp": the k-th such order
 * counts 1 / 2^k matches); without a single common word, or when no response has four words, the score is 0.
 *
 * @see Papineni et al. 2002; numbers checked against sacreBLEU with tokenize="none".
 */
export function bleu4(rows: readonly TextRow[]): number {
  return bleuOf(addCounts(rows.map(countBleu)));
}

/** Matches and n-grams of the response for each order, then its words and the reference's. */
export function countBleu({ reference, response }: TextRow): Counts {
  const wanted = wordsOf(reference);
  const written = wordsOf(response);
  return Float64Array.from([
    ...ORDERS.map((order) => commonNgrams(wanted, written, order)),
    ...ORDERS.map((order) => Math.max(0, written.length - order + 1)),
    written.length,
    wanted.length,
  ]);
}

/** BLEU-4 of added counts. */
export function bleuOf(counts: Counts): number {
  const matches = ORDERS.map((_, i) => counts[i] ?? 0);
  const totals = ORDERS.map((_, i) => counts[ORDERS.length + i] ?? 0);
  const [written = 0, wanted = 0] = counts.subarray(2 * ORDERS.length);
  if (matches[0] === 0 || totals.includes(0)) return 0;
  const logPrecisions = smooth(matches).map((count, i) => Math.log(ratio(count, totals[i] ?? 0)));
  const brevityPenalty = written >= wanted ? 1 : Math.exp(1 - wanted / written);
  return brevityPenalty * Math.exp(mean(logPrecisions));
}

/** Clipped matches: an n-gram of the response counts at most as often as the reference has it. */
function commonNgrams(reference: readonly string[], response: readonly string[], order: number): number {
  const available = countNgrams(reference, order);
  return sum([...countNgrams(response, order)].map(([ngram, count]) => Math.min(count, available.get(ngram) ?? 0)));
}

function countNgrams(words: readonly string[], order: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (let start = 0; start + order <= words.length; start++) {
    const ngram = words.slice(start, start + order).join(" ");
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return counts;
}

function smooth(matches: readonly number[]): readonly number[] {
  let empty = 0;
  return matches.map((count) => {
    if (count > 0) return count;
    empty += 1;
    return 1 / 2 ** empty;
  });
}

/** @file Confusion matrix of a labelling task; everything that is scored about labels is read off it. */
import { addCounts } from "./counts.ts";
import type { Counts } from "./counts.ts";

/** Gold labels with what was predicted for each; undefined is an answer that named no label. */
export interface Labelling<L extends string> {
  readonly labels: readonly L[];
  readonly gold: readonly L[];
  readonly predicted: readonly (L | undefined)[];
}

/** The name of the extra class that holds answers without a label. */
const UNPARSED = "unparsed";

export interface Confusion {
  readonly labels: readonly string[];
  /** Rows: gold, columns: predicted, both in the order of `labels`. */
  readonly counts: readonly (readonly number[])[];
}

/** Counts of (gold, predicted); when some answers are undefined, a last class `unparsed` takes them, so rows add up to their support. */
export function confusionMatrix<L extends string>(labelling: Labelling<L>): Confusion {
  return confusionOf(labelling.labels, addCounts(countCells(labelling)));
}

/** One vector per row with a 1 in its cell: a row per gold label, a column per label and a last one for answers without a label. */
export function countCells<L extends string>({ labels, gold, predicted }: Labelling<L>): readonly Counts[] {
  const index = new Map<string, number>(labels.map((label, i) => [label, i]));
  return gold.map((label, row) => {
    const counts = new Float64Array(labels.length * (labels.length + 1));
    const answer = predicted[row];
    const column = answer === undefined ? labels.length : (index.get(answer) ?? labels.length);
    counts[(index.get(label) ?? -1) * (labels.length + 1) + column] = 1;
    return counts;
  });
}

/** The number of rows with this gold label and answer; `labels.length` as the answer is "no label". */
export function cell(labels: readonly string[], counts: Counts, gold: number, answer: number): number {
  return counts[gold * (labels.length + 1) + answer] ?? 0;
}

/** Rows whose answer named no label. */
export function unparsedOf(labels: readonly string[], counts: Counts): number {
  return labels.reduce((total, _, gold) => total + cell(labels, counts, gold, labels.length), 0);
}

export function confusionOf(labels: readonly string[], counts: Counts): Confusion {
  const withUnparsed = unparsedOf(labels, counts) > 0;
  const names = withUnparsed ? [...labels, UNPARSED] : labels;
  return { labels: names, counts: names.map((_, gold) => names.map((_, answer) => (gold < labels.length ? cell(labels, counts, gold, answer) : 0))) };
}

/** @file Confusion matrix of a labelling task. */

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
export function confusionMatrix<L extends string>({ labels, gold, predicted }: Labelling<L>): Confusion {
  const names: readonly string[] = predicted.includes(undefined) ? [...labels, UNPARSED] : labels;
  const index = new Map(names.map((name, i) => [name, i]));
  const counts = names.map(() => names.map(() => 0));
  gold.forEach((label, row) => {
    const cells = counts[index.get(label) ?? -1];
    const column = index.get(predicted[row] ?? UNPARSED);
    if (cells !== undefined && column !== undefined) cells[column] = (cells[column] ?? 0) + 1;
  });
  return { labels: names, counts };
}

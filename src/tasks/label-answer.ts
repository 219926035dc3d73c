/** @file Answers that are one word of a closed set: `Positive.`, `Anger.` */
import { countCells, unparsedOf } from "../metrics/confusion.ts";
import type { Counted, Counts } from "../metrics/counts.ts";
import { parseRows } from "./parsed-rows.ts";
import { answerByRule, mostFrequent } from "./rules.ts";
import type { Sample, ScoredRow, Scores } from "./task.ts";

/** The paper's form of a label: capitalised, with a full stop. */
export function renderLabel(label: string): string {
  return `${label.charAt(0).toUpperCase()}${label.slice(1)}.`;
}

/** The label that a response consists of, in any case and with or without the full stop; undefined for anything else. */
export function parseLabel<L extends string>(response: string, labels: readonly L[]): L | undefined {
  const word = response.trim().replace(/\.$/, "").toLowerCase();
  return labels.find((label) => label === word);
}

/** The paper's form of the label that a response states; undefined when it states none. */
export function canonicalLabel(response: string, labels: readonly string[]): string | undefined {
  const label = parseLabel(response, labels);
  return label === undefined ? undefined : renderLabel(label);
}

/** Rows of a closed set as cells of its confusion matrix; `scoresOf` reads them. */
export function countLabels(rows: readonly ScoredRow[], { labels, scoresOf }: { readonly labels: readonly string[]; readonly scoresOf: (cells: Counts) => Omit<Scores, "parseFailures"> }): Counted<Scores> {
  const parsed = parseRows(rows, (response) => parseLabel(response, labels));
  return {
    rows: countCells({ labels, gold: parsed.map(({ gold }) => gold), predicted: parsed.map(({ predicted }) => predicted) }),
    scoresOf: (cells) => ({ ...scoresOf(cells), parseFailures: unparsedOf(labels, cells) }),
  };
}

/** The score of answering the training split's most frequent label to everything; nothing without training samples. */
export function majorityBaseline({ train, test }: { readonly train: readonly Sample[]; readonly test: readonly Sample[] }, score: (rows: readonly ScoredRow[]) => Scores): Readonly<Record<string, Scores>> {
  const majority = mostFrequent(train.map(({ target }) => target));
  return majority === undefined ? {} : { majority: score(answerByRule(test, () => majority)) };
}

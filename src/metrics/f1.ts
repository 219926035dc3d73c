/** @file Precision, recall and F1 per class, and their means as scikit-learn computes them (zero division gives 0). */
import { cell, countCells } from "./confusion.ts";
import type { Labelling } from "./confusion.ts";
import { addCounts } from "./counts.ts";
import type { Counts } from "./counts.ts";
import { mean, ratio, sum } from "./ratio.ts";

/** `support` and `predicted`: rows whose gold answer, and whose predicted answer, is this class. */
export type ClassScore = Readonly<Record<"precision" | "recall" | "f1" | "support" | "predicted", number>>;

/** Scores of every label of the set, in its order; an undefined prediction belongs to no class, so it costs its gold class recall. */
export function classScores<L extends string>(labelling: Labelling<L>): Readonly<Record<string, ClassScore>> {
  return classScoresOf(labelling.labels, addCounts(countCells(labelling)));
}

/** The same from the cells of a confusion matrix. */
export function classScoresOf(labels: readonly string[], cells: Counts): Readonly<Record<string, ClassScore>> {
  return Object.fromEntries(
    labels.map((label, i) => {
      const support = sum([...labels, ""].map((_, answer) => cell(labels, cells, i, answer)));
      const predicted = sum(labels.map((_, gold) => cell(labels, cells, gold, i)));
      return [label, scoreOf({ hits: cell(labels, cells, i, i), support, predicted })];
    }),
  );
}

/** Share of rows whose answer is right; answers without a label are wrong; 0 without rows. */
export function accuracyOf(labels: readonly string[], cells: Counts): number {
  return ratio(sum(labels.map((_, i) => cell(labels, cells, i, i))), sum([...cells]));
}

/** Precision, recall and F1 = 2 TP / (support + predicted) from counts. */
export function scoreOf({ hits, support, predicted }: { readonly hits: number; readonly support: number; readonly predicted: number }): ClassScore {
  return { precision: ratio(hits, predicted), recall: ratio(hits, support), f1: ratio(2 * hits, support + predicted), support, predicted };
}

/** Unweighted mean of F1 over the classes that occur in gold or predictions (scikit-learn's default set of labels). */
export function macroF1(scores: Readonly<Record<string, ClassScore>>): number {
  return mean(Object.values(scores).filter(({ support, predicted }) => support + predicted > 0).map(({ f1 }) => f1));
}

/** Mean of F1 weighted by the classes' gold counts. */
export function weightedF1(scores: Readonly<Record<string, ClassScore>>): number {
  return weightedMean(scores, "f1");
}

/** Mean over the classes weighted by their gold counts; a class that is only predicted has no weight. */
export function weightedMean(scores: Readonly<Record<string, ClassScore>>, metric: "precision" | "recall" | "f1"): number {
  const classes = Object.values(scores);
  return ratio(sum(classes.map((score) => score[metric] * score.support)), sum(classes.map(({ support }) => support)));
}

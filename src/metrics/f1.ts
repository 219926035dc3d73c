/** @file Precision, recall and F1 per class, and their means as scikit-learn computes them (zero division gives 0). */
import type { Labelling } from "./confusion.ts";
import { mean, ratio, sum } from "./ratio.ts";

/** `support` and `predicted`: rows whose gold answer, and whose predicted answer, is this class. */
export type ClassScore = Readonly<Record<"precision" | "recall" | "f1" | "support" | "predicted", number>>;

/** Scores of every label of the set, in its order; an undefined prediction belongs to no class, so it costs its gold class recall. */
export function classScores<L extends string>({ labels, gold, predicted }: Labelling<L>): Readonly<Record<string, ClassScore>> {
  return Object.fromEntries(
    labels.map((label) => {
      const hits = gold.filter((answer, row) => answer === label && predicted[row] === label).length;
      const support = gold.filter((answer) => answer === label).length;
      return [label, scoreOf({ hits, support, predicted: predicted.filter((answer) => answer === label).length })];
    }),
  );
}

/** Precision, recall and F1 = 2 TP / (support + predicted) from counts. */
export function scoreOf({ hits, support, predicted }: { readonly hits: number; readonly support: number; readonly predicted: number }): ClassScore {
  return { precision: ratio(hits, predicted), recall: ratio(hits, support), f1: ratio(2 * hits, support + predicted), support, predicted };
}

/** Unweighted mean of F1 over the classes that occur in gold or predictions (scikit-learn's default set of labels). */
export function macroF1(scores: Readonly<Record<string, ClassScore>>): number {
  return mean(occurring(scores).map(({ f1 }) => f1));
}

/** Mean of F1 weighted by the classes' gold counts. */
export function weightedF1(scores: Readonly<Record<string, ClassScore>>): number {
  const classes = occurring(scores);
  return ratio(sum(classes.map(({ f1, support }) => f1 * support)), sum(classes.map(({ support }) => support)));
}

function occurring(scores: Readonly<Record<string, ClassScore>>): readonly ClassScore[] {
  return Object.values(scores).filter(({ support, predicted }) => support + predicted > 0);
}

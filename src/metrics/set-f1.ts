/** @file Set F1: how well a predicted set (of action units) meets the gold set. */
import { scoreOf } from "./f1.ts";
import type { ClassScore } from "./f1.ts";
import { mean, sum } from "./ratio.ts";

export interface SetRow {
  readonly gold: readonly string[];
  readonly predicted: readonly string[];
}

export interface SetScores {
  /** Micro: from the counts of all members of all rows. */
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** F1 of each row, averaged (scikit-learn's `average="samples"`; a row of two empty sets counts 0). */
  readonly sampleF1: number;
  /** Share of rows with equal sets. */
  readonly exactMatch: number;
  /** One entry per member that occurs, in alphabetical order. */
  readonly perClass: Readonly<Record<string, ClassScore>>;
}

/** Micro and sample-mean F1 over sets; members named twice count once; every score of no rows is 0. */
export function setScores(rows: readonly SetRow[]): SetScores {
  const sets = rows.map(({ gold, predicted }) => ({ gold: new Set(gold), predicted: new Set(predicted) }));
  const counts = sets.map(({ gold, predicted }) => ({ hits: [...predicted].filter((member) => gold.has(member)).length, support: gold.size, predicted: predicted.size }));
  const micro = scoreOf({
    hits: sum(counts.map(({ hits }) => hits)),
    support: sum(counts.map(({ support }) => support)),
    predicted: sum(counts.map(({ predicted }) => predicted)),
  });
  return {
    precision: micro.precision,
    recall: micro.recall,
    f1: micro.f1,
    sampleF1: mean(counts.map((count) => scoreOf(count).f1)),
    exactMatch: mean(counts.map(({ hits, support, predicted }) => (hits === support && hits === predicted ? 1 : 0))),
    perClass: memberScores(sets),
  };
}

function memberScores(sets: readonly { readonly gold: ReadonlySet<string>; readonly predicted: ReadonlySet<string> }[]): Readonly<Record<string, ClassScore>> {
  const members = [...new Set(sets.flatMap(({ gold, predicted }) => [...gold, ...predicted]))].sort();
  return Object.fromEntries(
    members.map((member) => [
      member,
      scoreOf({
        hits: sets.filter(({ gold, predicted }) => gold.has(member) && predicted.has(member)).length,
        support: sets.filter(({ gold }) => gold.has(member)).length,
        predicted: sets.filter(({ predicted }) => predicted.has(member)).length,
      }),
    ]),
  );
}

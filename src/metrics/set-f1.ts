/** @file Set F1: how well a predicted set (of action units) meets the gold set. */
import { scoreCounted } from "./counts.ts";
import type { Counted, Counts } from "./counts.ts";
import { scoreOf } from "./f1.ts";
import type { ClassScore } from "./f1.ts";
import { ratio, sum } from "./ratio.ts";

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
  return scoreCounted(countSets(rows));
}

/** Rows, their summed F1, exact matches, then hits, gold and predicted count of every member that occurs. */
export function countSets(rows: readonly SetRow[]): Counted<SetScores> {
  const members = [...new Set(rows.flatMap(({ gold, predicted }) => [...gold, ...predicted]))].sort();
  return {
    rows: rows.map(({ gold, predicted }) => {
      const goldSet = new Set(gold);
      const predictedSet = new Set(predicted);
      const hits = [...predictedSet].filter((member) => goldSet.has(member)).length;
      const score = scoreOf({ hits, support: goldSet.size, predicted: predictedSet.size });
      const counts = members.flatMap((member) => {
        const isGold = goldSet.has(member);
        const isPredicted = predictedSet.has(member);
        return [Number(isGold && isPredicted), Number(isGold), Number(isPredicted)];
      });
      return Float64Array.from([1, score.f1, Number(hits === goldSet.size && hits === predictedSet.size), ...counts]);
    }),
    scoresOf: (counts) => setScoresOf(members, counts),
  };
}

function setScoresOf(members: readonly string[], counts: Counts): SetScores {
  const [n = 0, f1Sum = 0, exact = 0] = counts;
  const classes = members.map((_, i) => ({ hits: counts[3 * i + 3] ?? 0, support: counts[3 * i + 4] ?? 0, predicted: counts[3 * i + 5] ?? 0 }));
  const { precision, recall, f1 } = scoreOf({
    hits: sum(classes.map(({ hits }) => hits)),
    support: sum(classes.map(({ support }) => support)),
    predicted: sum(classes.map(({ predicted }) => predicted)),
  });
  return {
    precision,
    recall,
    f1,
    sampleF1: ratio(f1Sum, n),
    exactMatch: ratio(exact, n),
    perClass: Object.fromEntries(members.flatMap((member, i) => (classes[i] === undefined ? [] : [[member, scoreOf(classes[i])]]))),
  };
}

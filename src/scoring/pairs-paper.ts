/** @file ECPE as the paper's compute_result.py scores it: target by target, the emotions given in the prompt. */
import { UserError } from "../core/errors.ts";
import { scoreCounted } from "../metrics/counts.ts";
import type { Counted, Counts } from "../metrics/counts.ts";
import { scoreOf } from "../metrics/f1.ts";
import { PAIR_EMOTIONS } from "../metrics/pairs.ts";
import { ratio, sum } from "../metrics/ratio.ts";
import type { AlignedRow } from "./align.ts";
import { isNoCause } from "./pair-rows.ts";
import { causesByRule, mapRules } from "./pair-rules.ts";
import type { PairRule } from "./pair-rules.ts";
import type { ProtocolScores, Scoring } from "./protocol.ts";
import { unitsOfIds } from "./sample-ids.ts";

/** `slips`: end where the script ends with an exception instead of counting the answer as wrong. */
export interface PaperOptions {
  readonly slips: boolean;
}

/** The counting of `emoverse_ecf2`. */
export function paperPairs(rows: readonly AlignedRow[], { slips }: PaperOptions): Scoring {
  const counts = countRows(rows, (row) => pieces(row.response).map((piece) => ({ right: pieces(row.gold).includes(piece), category: categoryOf(piece) })));
  if (slips) refuseAsTheScript(rows, scoreCounted(counts));
  return {
    counting:
      "compute_result.py, emoverse_ecf2: micro F1 over the pairs of all targets that have a cause, the others are skipped with whatever was predicted for them; a pair is right when its text is, predictions are not made unique; weightedF1 over six emotions by their gold pairs; " +
      (slips ? "as the script, exceptions included" : "pairs that break the form are wrong where the script ends with an exception"),
    ...shared(rows, counts),
  };
}

/** The counting of `other_ecf2`: every whole number of the answer is a cause, its emotion is the target's. */
export function paperOtherPairs(rows: readonly AlignedRow[], { slips }: PaperOptions): Scoring {
  const counts = countRows(rows, (row) => {
    const right = pieces(row.gold);
    const causes = right.map((piece) => Number(piece.split(",")[1]));
    return (row.response?.match(/\d+/g) ?? []).map((text) => {
      const at = causes.indexOf(Number(text));
      return { right: at >= 0, category: categoryOf(right[at] ?? right[0] ?? "") };
    });
  });
  if (slips) refuseDivisions(scoreCounted(counts));
  return { counting: "compute_result.py, other_ecf2: every whole number in the answer is a cause of the target, whose emotion is given; targets without a cause are skipped, numbers named twice count twice", ...shared(rows, counts) };
}

/** A predicted piece: whether the gold answer has it, and its emotion, undefined when it names none. */
interface Predicted {
  readonly right: boolean;
  readonly category: string | undefined;
}

const [PREDICTED, GOLD, HITS, SKIPPED, SKIPPED_PREDICTED, BROKEN, UNREAD, REPEATED, CLASSES] = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;

function countRows(rows: readonly AlignedRow[], predictedOf: (row: AlignedRow) => readonly Predicted[]): Counted<ProtocolScores> {
  return { rows: rows.map((row) => countRow(row, predictedOf(row))), scoresOf };
}

function countRow(row: AlignedRow, predicted: readonly Predicted[]): Counts {
  const counts = new Float64Array(CLASSES + 3 * PAIR_EMOTIONS.length);
  const gold = pieces(row.gold);
  if (gold.length === 0) {
    counts[SKIPPED] = 1;
    counts[SKIPPED_PREDICTED] = predicted.length;
    return counts;
  }
  const add = (category: string | undefined, which: number): void => {
    const index = PAIR_EMOTIONS.findIndex((emotion) => emotion === category);
    if (index >= 0) counts[CLASSES + 3 * index + which] = (counts[CLASSES + 3 * index + which] ?? 0) + 1;
  };
  for (const piece of gold) add(categoryOf(piece), 1);
  for (const { right, category } of predicted) {
    if (right) add(category, 0);
    add(category, 2);
  }
  const broken = predicted.filter(({ category }) => category === undefined).length;
  counts[PREDICTED] = predicted.length;
  counts[GOLD] = gold.length;
  counts[HITS] = predicted.filter(({ right }) => right).length;
  counts[BROKEN] = broken;
  counts[UNREAD] = Number(broken > 0);
  const written = pieces(row.response);
  counts[REPEATED] = written.length - new Set(written).size;
  return counts;
}

function scoresOf(counts: Counts): ProtocolScores {
  const at = (index: number): number => counts[index] ?? 0;
  const micro = scoreOf({ hits: at(HITS), support: at(GOLD), predicted: at(PREDICTED) });
  const perClass = PAIR_EMOTIONS.map((_, i) => scoreOf({ hits: at(CLASSES + 3 * i), support: at(CLASSES + 3 * i + 1), predicted: at(CLASSES + 3 * i + 2) }));
  const support = sum(perClass.map((score) => score.support));
  return {
    metrics: { precision: micro.precision, recall: micro.recall, f1: micro.f1, weightedF1: ratio(sum(perClass.map((score) => score.f1 * score.support)), support) },
    perClass: Object.fromEntries(PAIR_EMOTIONS.flatMap((emotion, i) => (perClass[i] === undefined ? [] : [[emotion, perClass[i]]]))),
    parseFailures: at(UNREAD),
    details: { targetsSkipped: at(SKIPPED), pairsPredictedForSkippedTargets: at(SKIPPED_PREDICTED), pairsThatBreakTheForm: at(BROKEN), pairsPredictedTwice: at(REPEATED) },
  };
}

function shared(rows: readonly AlignedRow[], counts: Counted<ProtocolScores>): Omit<Scoring, "counting"> {
  return { counted: counts, ...unitsOfIds(rows.map(({ id }) => id)), baselines: baselines(rows), notes: [], unanswered: 0 };
}

/** Number and emotion of the target stand in its gold pairs; targets without any are skipped for rules, too. */
function baselines(rows: readonly AlignedRow[]): Readonly<Record<string, ProtocolScores>> {
  const answerBy = (rule: PairRule, gold: string): Predicted[] => {
    const right = pieces(gold);
    const [, target = "0", category = ""] = /^(\d+)_([a-z]+),/.exec(right[0] ?? "") ?? [];
    return causesByRule(rule, Number(target)).map((cause) => ({ right: right.includes(`${target}_${category},${cause}`), category }));
  };
  return mapRules((rule) => scoreCounted(countRows(rows, ({ gold }) => answerBy(rule, gold))));
}

/** The texts between semicolons as they are; none for an answer that names no cause. */
function pieces(answer: string | undefined): readonly string[] {
  return answer === undefined || isNoCause(answer) ? [] : answer.split(";");
}

/** The text between `_` and `,`; undefined when the piece breaks the form. */
function categoryOf(piece: string): string | undefined {
  return /^\d+_([a-z]+),\d+$/.exec(piece)?.[1];
}

function refuseAsTheScript(rows: readonly AlignedRow[], scores: ProtocolScores): void {
  const broken = rows.find(({ gold, response }) => pieces(gold).length > 0 && (response ?? "").split(";").some((piece) => piece.split(",")[0]?.includes("_") !== true));
  if (broken !== undefined) {
    throw new UserError({ kind: "DataError", where: broken.where, what: `compute_result.py ends here: IndexError: list index out of range, for the answer ${JSON.stringify(broken.response ?? "")}`, hint: "Without --slips such answers are counted as wrong." });
  }
  refuseDivisions(scores);
}

function refuseDivisions({ metrics, perClass }: ProtocolScores): void {
  const empty = Object.entries(perClass ?? {}).find(([, { support, predicted }]) => support === 0 || predicted === 0);
  if (empty === undefined && metrics["f1"] !== 0) return;
  const what = empty === undefined ? "no pair is right" : `${empty[0]} is ${empty[1]["support"] === 0 ? "not in the gold answers" : "never predicted"}`;
  throw new UserError({ kind: "DataError", where: "predictions", what: `compute_result.py ends with ZeroDivisionError: ${what}`, hint: "Without --slips such a score is 0." });
}

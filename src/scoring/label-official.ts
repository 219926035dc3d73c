/** @file Labels as scikit-learn scores them: MELD's emotions and sentiments. */
import { UserError } from "../core/errors.ts";
import { confusionOf, countCells, unparsedOf } from "../metrics/confusion.ts";
import { scoreCounted } from "../metrics/counts.ts";
import type { Counted } from "../metrics/counts.ts";
import { accuracyOf, classScoresOf, macroF1, weightedMean } from "../metrics/f1.ts";
import { mostFrequent } from "../tasks/rules.ts";
import type { AlignedRow } from "./align.ts";
import type { ProtocolScores, Scoring } from "./protocol.ts";
import { unitsOfIds } from "./sample-ids.ts";

/** MELD's order of its seven emotions. */
const EMOTION_LABELS = ["neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"];
const SENTIMENT_LABELS = ["neutral", "positive", "negative"];

export const MAJORITY_NOTE = "the majority is that of the gold answers";

/** MOSEI's words for joy. */
const JOYS = ["happy", "happiness"];

/** The set of labels that the gold answers are of; MOSEI says happy where MELD says joy. */
export function labelSet(task: "erc" | "msa", gold: readonly string[]): readonly string[] {
  if (task === "msa") return SENTIMENT_LABELS;
  const words = new Set(gold.map(labelWord));
  const joy = JOYS.find((word) => words.has(word)) ?? "joy";
  return EMOTION_LABELS.map((label) => (label === "joy" ? joy : label));
}

/** The word of `Joy.`, `joy` or ` JOY `. */
export function labelWord(answer: string): string {
  return answer.trim().replace(/\.$/, "").toLowerCase();
}

/** @throws UserError when a gold answer is outside the set, or no prediction is inside it. */
export function officialLabels(task: "erc" | "msa", rows: readonly AlignedRow[]): Scoring {
  const labels = labelSet(task, rows.map(({ gold }) => gold));
  refuseForeignGold(rows, labels);
  refuseUnreadable(rows, labels);
  const gold = rows.map((row) => labelWord(row.gold));
  const counted = countLabels(labels, gold, rows.map(({ response }) => (response === undefined ? undefined : labelWord(response))));
  const majority = mostFrequent(gold);
  return {
    counting: `weighted F1 over ${labels.length} classes as scikit-learn computes it (precision_recall_fscore_support, average="weighted", zero division 0), macro F1 over the classes that occur; letter case and a final full stop do not matter, any other answer and a missing one belong to no class and are wrong`,
    counted,
    ...unitsOfIds(rows.map(({ id }) => id)),
    baselines: majority === undefined ? {} : { majority: scoreCounted(countLabels(labels, gold, gold.map(() => majority))) },
    notes: [MAJORITY_NOTE],
    unanswered: countUnanswered(rows),
  };
}

/** Rows without a prediction. */
export function countUnanswered(rows: readonly AlignedRow[]): number {
  return rows.filter(({ response }) => response === undefined).length;
}

function countLabels(labels: readonly string[], gold: readonly string[], predicted: readonly (string | undefined)[]): Counted<ProtocolScores> {
  return {
    rows: countCells({ labels, gold, predicted }),
    scoresOf: (cells) => {
      const perClass = classScoresOf(labels, cells);
      return {
        metrics: {
          accuracy: accuracyOf(labels, cells),
          weighted_precision: weightedMean(perClass, "precision"),
          weighted_recall: weightedMean(perClass, "recall"),
          weighted_f1: weightedMean(perClass, "f1"),
          macro_f1: macroF1(perClass),
        },
        perClass,
        confusion: confusionOf(labels, cells),
        parseFailures: unparsedOf(labels, cells),
      };
    },
  };
}

/** @throws UserError listing gold answers that are no labels of the set. */
export function refuseForeignGold(rows: readonly AlignedRow[], labels: readonly string[]): void {
  const foreign = rows.filter(({ gold }) => !labels.includes(labelWord(gold)));
  if (foreign.length === 0) return;
  const words = [...new Set(foreign.map(({ gold }) => JSON.stringify(gold)))].slice(0, 5).join(", ");
  throw new UserError({ kind: "DataError", where: foreign[0]?.where ?? "gold", what: `gold answers such as ${words} are no labels of this task (${foreign.length} of ${rows.length} rows). Expected ${labels.join(", ")}`, hint: "Label numbers differ between programs: write the words. Is --task right?" });
}

/** A file in which nothing can be read is another kind of file, not a bad system. */
function refuseUnreadable(rows: readonly AlignedRow[], labels: readonly string[]): void {
  const given = rows.flatMap(({ response }) => response ?? []);
  if (given.length === 0 || given.some((response) => labels.includes(labelWord(response)))) return;
  throw new UserError({ kind: "DataError", where: "predictions", what: `none of ${given.length} answers is a label, got such as ${given.slice(0, 3).map((answer) => JSON.stringify(answer.slice(0, 60))).join(", ")}. Expected ${labels.join(", ")}`, hint: "For answers in whole sentences there is --protocol paper-other." });
}

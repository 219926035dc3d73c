/** @file Labels as the paper's compute_result.py scores them. */
import { UserError } from "../core/errors.ts";
import { countCells, unparsedOf } from "../metrics/confusion.ts";
import { scoreCounted } from "../metrics/counts.ts";
import type { Counted, Counts } from "../metrics/counts.ts";
import { accuracyOf, classScoresOf, weightedF1 } from "../metrics/f1.ts";
import { renderLabel } from "../tasks/label-answer.ts";
import { mostFrequent } from "../tasks/rules.ts";
import type { AlignedRow } from "./align.ts";
import { countUnanswered, labelSet, labelWord, MAJORITY_NOTE, refuseForeignGold } from "./label-official.ts";
import type { PaperOptions } from "./pairs-paper.ts";
import type { ProtocolScores, Scoring } from "./protocol.ts";
import { readNumber } from "./regression-official.ts";
import { unitsOfIds } from "./sample-ids.ts";

type Reader = (response: string) => string | undefined;

/** The counting of `emoverse_sentiment` and `emoverse_emotion`: the answer is the label's exact text. */
export function paperLabels(task: "erc" | "msa", rows: readonly AlignedRow[], { slips }: PaperOptions): Scoring {
  const { labels, used, skipped } = prepare(task, rows);
  const read: Reader = (response) => labels.find((label) => renderLabel(label) === response);
  const stranger = used.find(({ response }) => response === undefined || read(response) === undefined);
  if (slips && task === "erc" && stranger !== undefined) throw stops(stranger.where, `ValueError: ${JSON.stringify(stranger.response ?? "")} is not in list`);
  if (slips && task === "msa") refuseAbsentClass(labels, used);
  return scoring({ task, labels, used, skipped, read }, `compute_result.py, ${task === "msa" ? "emoverse_sentiment: positive and negative clips, others are skipped" : "emoverse_emotion: accuracy and scikit-learn's weighted F1"}; the answer must be the label's exact text ("${renderLabel(labels[0] ?? "")}"), any other is wrong${slips ? ", or ends as the script ends" : ""}`);
}

/**
 * The counting of `other_sentiment`, `compute_other_pos` and `other_emotion`: the first of the words that the answer
 * holds. The script looks for lower-case words only, takes an answer without any for negative or neutral, knows happy
 * but not joy, and once begins to count at 83.87: all that only with `slips`.
 */
export function paperOtherLabels(task: "erc" | "msa", rows: readonly AlignedRow[], { slips }: PaperOptions): Scoring {
  const { labels, used, skipped } = prepare(task, rows);
  if (slips) refuseUnknownGold(task, rows);
  const order = task === "msa" ? ["positive", "negative"] : ["anger", "sadness", "surprise", "disgust", labels.includes("joy") ? "joy" : "happy", "neutral", "fear"];
  const forms = (label: string): readonly string[] => (["joy", "happy"].includes(label) && !slips ? ["happy", "joy"] : [label]);
  const fallback = task === "msa" ? "negative" : "neutral";
  const read: Reader = (response) => {
    const text = slips ? response : response.toLowerCase();
    return order.find((label) => forms(label).some((form) => text.includes(form))) ?? (slips ? fallback : undefined);
  };
  const counting = `compute_result.py, ${task === "msa" ? "other_sentiment" : "other_emotion"}: the first of ${order.join(", ")} that the answer holds anywhere, ${slips ? `lower case only, ${fallback} when it holds none` : "in any case; an answer that holds none is wrong"}`;
  const result = scoring({ task, labels, used, skipped, read }, counting);
  return slips && task === "msa" ? withStrayHits(result) : result;
}

interface Prepared {
  readonly task: "erc" | "msa";
  readonly labels: readonly string[];
  readonly used: readonly AlignedRow[];
  readonly skipped: number;
  readonly read: Reader;
}

/** Gold answers as label words; neutral clips are no part of the sentiment task. */
function prepare(task: "erc" | "msa", rows: readonly AlignedRow[]): Pick<Prepared, "labels" | "used" | "skipped"> {
  const words = rows.map((row) => ({ ...row, gold: task === "msa" ? polarityOf(row.gold) : labelWord(row.gold) }));
  refuseForeignGold(words, labelSet(task, words.map(({ gold }) => gold)));
  if (task === "erc") return { labels: labelSet(task, words.map(({ gold }) => gold)), used: words, skipped: 0 };
  const used = words.filter(({ gold }) => gold !== "neutral");
  return { labels: ["positive", "negative"], used, skipped: rows.length - used.length };
}

/** A score's sign, or the word. */
export function polarityOf(gold: string): string {
  const score = readNumber(gold);
  if (score === undefined) return labelWord(gold);
  return score > 0 ? "positive" : score < 0 ? "negative" : "neutral";
}

function scoring({ task, labels, used, skipped, read }: Prepared, counting: string): Scoring {
  const gold = used.map((row) => row.gold);
  const predicted = used.map(({ response }) => (response === undefined ? undefined : read(response)));
  const count = (answers: readonly (string | undefined)[]): Counted<ProtocolScores> => ({ rows: countCells({ labels, gold, predicted: answers }), scoresOf: (cells) => scoresOf(task, labels, cells, skipped) });
  const majority = mostFrequent(gold);
  return {
    counting,
    counted: count(predicted),
    ...unitsOfIds(used.map(({ id }) => id)),
    baselines: majority === undefined ? {} : { majority: scoreCounted(count(gold.map(() => majority))) },
    notes: [MAJORITY_NOTE, ...(skipped === 0 ? [] : [`${skipped} neutral clips are skipped`])],
    unanswered: countUnanswered(used),
  };
}

function scoresOf(task: "erc" | "msa", labels: readonly string[], cells: Counts, skipped: number): ProtocolScores {
  const perClass = classScoresOf(labels, cells);
  const accuracy = accuracyOf(labels, cells);
  const metrics = task === "msa" ? { accuracy, recallPositive: perClass["positive"]?.recall ?? 0, recallNegative: perClass["negative"]?.recall ?? 0 } : { accuracy, weightedF1: weightedF1(perClass) };
  return { metrics, perClass, parseFailures: unparsedOf(labels, cells), ...(task === "msa" ? { details: { neutralSkipped: skipped } } : {}) };
}

/** What compute_other_pos prints: its hits begin at this number. */
const STRAY_HITS = 83.87;

function withStrayHits({ counted, ...rest }: Scoring): Scoring {
  return {
    ...rest,
    counted: {
      rows: counted.rows,
      scoresOf: (cells) => {
        const scores = counted.scoresOf(cells);
        const n = cells.reduce((total, count) => total + count, 0);
        return { ...scores, metrics: { ...scores.metrics, accuracyOfComputeOtherPos: n === 0 ? 0 : (scores.metrics["accuracy"] ?? 0) + STRAY_HITS / n } };
      },
    },
  };
}

function refuseAbsentClass(labels: readonly string[], used: readonly AlignedRow[]): void {
  const absent = labels.find((label) => !used.some(({ gold }) => gold === label));
  if (absent !== undefined) throw stops("gold", `ZeroDivisionError: no ${absent} clip`);
}

/** The script's lists hold neither Neutral. (sentiment) nor Joy. (emotion). */
function refuseUnknownGold(task: "erc" | "msa", rows: readonly AlignedRow[]): void {
  const unknown = task === "msa" ? "neutral" : "joy";
  const row = rows.find(({ gold }) => (task === "msa" ? polarityOf(gold) : labelWord(gold)) === unknown);
  if (row !== undefined) throw stops(row.where, `ValueError: '${renderLabel(unknown)}' is not in list`);
}

function stops(where: string, what: string): UserError {
  return new UserError({ kind: "DataError", where, what: `compute_result.py ends here: ${what}`, hint: "Without --slips such rows are counted, not fatal." });
}

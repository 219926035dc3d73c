/** @file Sentiment in numbers as MMSA scores it; answers in words count for the metrics that need no more than a sign. */
import { UserError } from "../core/errors.ts";
import { scoreCounted } from "../metrics/counts.ts";
import type { Counted } from "../metrics/counts.ts";
import { countRegression, REGRESSION_METRICS } from "../metrics/regression.ts";
import type { RegressionMetric } from "../metrics/regression.ts";
import { mean } from "../metrics/ratio.ts";
import type { AlignedRow } from "./align.ts";
import { countUnanswered, labelWord } from "./label-official.ts";
import type { ProtocolScores, Scoring } from "./protocol.ts";
import { unitsOfIds } from "./sample-ids.ts";

const SIGN_OF_WORD: Readonly<Record<string, number>> = { positive: 1, negative: -1, neutral: 0 };
const SIGN_METRICS: readonly RegressionMetric[] = ["Has0_acc_2", "Has0_F1_score", "Non0_acc_2", "Non0_F1_score"];

/** A decimal number; undefined for anything else. */
export function readNumber(text: string): number | undefined {
  return /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text) ? Number(text) : undefined;
}

/** @throws UserError when a gold answer is no number of the scale, or no prediction can be read. */
export function officialRegression(rows: readonly AlignedRow[]): Scoring {
  const truths = rows.map(({ gold }) => readNumber(gold) ?? Number.NaN);
  refuseForeignGold(rows, truths);
  const inNumbers = rows.some(({ response }) => response !== undefined && readNumber(response) !== undefined);
  const read = inNumbers ? readNumber : (response: string) => SIGN_OF_WORD[labelWord(response)];
  const predictions = rows.map(({ response }) => (response === undefined ? undefined : read(response)));
  refuseUnreadable(rows, predictions);
  const metrics = inNumbers ? REGRESSION_METRICS : SIGN_METRICS;
  const constant = (value: number): ProtocolScores => scoreCounted(countNumbers(truths, truths.map(() => value), metrics));
  return {
    counting:
      "MMSA's regression metrics, not rounded: Has0 below 0 against the rest, Non0 above 0 against the rest without truths of 0, Acc-7 and Acc-5 clipped and rounded half to even, MAE and Corr as they are; an answer without a number counts as the farther end of [-3, 3]" +
      (inNumbers ? "" : "; answers are words: positive above 0, neutral 0, negative below"),
    counted: countNumbers(truths, predictions, metrics),
    ...unitsOfIds(rows.map(({ id }) => id)),
    baselines: { median: constant(medianOf(truths)), mean: constant(mean(truths)) },
    notes: ["the baselines answer the median and the mean of the gold scores to everything", ...(inNumbers ? [] : ["the answers are words, so only the metrics of the sign are there"])],
    unanswered: countUnanswered(rows),
  };
}

function countNumbers(truths: readonly number[], predictions: readonly (number | undefined)[], wanted: readonly RegressionMetric[]): Counted<ProtocolScores> {
  const { rows, scoresOf } = countRegression(truths.map((truth, i) => ({ truth, predicted: predictions[i] })));
  return {
    rows: rows.map((row, i) => Float64Array.from([Number(predictions[i] === undefined), ...row])),
    scoresOf: (sum) => {
      const scores = scoresOf(sum.subarray(1));
      return { metrics: Object.fromEntries(wanted.flatMap((name) => (scores[name] === undefined ? [] : [[name, scores[name]]]))), parseFailures: sum[0] ?? 0 };
    },
  };
}

function refuseForeignGold(rows: readonly AlignedRow[], truths: readonly number[]): void {
  const foreign = rows.filter((_, i) => !(Math.abs(truths[i] ?? Number.NaN) <= 3));
  if (foreign.length === 0) return;
  throw new UserError({ kind: "DataError", where: foreign[0]?.where ?? "gold", what: `got the gold answer ${JSON.stringify(foreign[0]?.gold)}, expected a number in [-3, 3] (${foreign.length} such rows)` });
}

function refuseUnreadable(rows: readonly AlignedRow[], predictions: readonly (number | undefined)[]): void {
  const given = rows.flatMap(({ response }) => response ?? []);
  if (given.length === 0 || predictions.some((value) => value !== undefined)) return;
  throw new UserError({ kind: "DataError", where: "predictions", what: `none of ${given.length} answers is a number or one of positive, neutral, negative, got such as ${given.slice(0, 3).map((answer) => JSON.stringify(answer.slice(0, 60))).join(", ")}` });
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

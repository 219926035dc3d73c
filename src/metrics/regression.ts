/** @file Sentiment as a number in [-3, 3]: the regression metrics of MMSA for MOSI and MOSEI. */
import type { Counted, Counts } from "./counts.ts";
import { scoreCounted } from "./counts.ts";
import { accuracyOf, classScoresOf, weightedF1 } from "./f1.ts";
import { ratio } from "./ratio.ts";

export interface RegressionRow {
  readonly truth: number;
  /** Undefined when there is no number. */
  readonly predicted: number | undefined;
}

/** MMSA's names, in the order in which it lists them. */
export const REGRESSION_METRICS = ["Has0_acc_2", "Has0_F1_score", "Non0_acc_2", "Non0_F1_score", "Mult_acc_5", "Mult_acc_7", "MAE", "Corr"] as const;
export type RegressionMetric = (typeof REGRESSION_METRICS)[number];

/** What cannot be computed (no truth but 0; a constant for the correlation) is absent. */
export type RegressionScores = Readonly<Partial<Record<RegressionMetric, number>>>;

/** @see thuiar/MMSA, utils/metricsTop.py, __eval_mosei_regression. Not rounded to four decimals, as MMSA does at the end. */
export function regressionScores(rows: readonly RegressionRow[]): RegressionScores {
  return scoreCounted(countRegression(rows));
}

/**
 * Has0: below 0 against the rest. Non0: above 0 against the rest, truths of exactly 0 left out (a prediction of 0 is
 * negative). Acc-7 and Acc-5: clipped to 3 and 2, rounded half to even. MAE and Corr: not clipped. All numbers are
 * float32, as in MMSA. A missing number is the end of the scale that is farther from the truth: wrong in every metric.
 */
export function countRegression(rows: readonly RegressionRow[]): Counted<RegressionScores> {
  const pairs = rows.map(({ truth, predicted }) => {
    const t = Math.fround(truth);
    return { t, p: Math.fround(predicted ?? (t >= 0 ? -SCALE_END : SCALE_END)) };
  });
  // Correlation from sums of distances to the first row: a constant gives exact zeros.
  const origin = pairs[0] ?? { t: 0, p: 0 };
  return { rows: pairs.map((pair) => countPair(pair, origin)), scoresOf: regressionScoresOf };
}

const SCALE_END = 3;
const SIGNS = ["no", "yes"] as const;

/** Where what stands in the counts; HAS0 and NON0 are confusion matrices of two labels. */
const [N, ERROR, HITS_7, HITS_5, SUM_T, SUM_P, SUM_TT, SUM_PP, SUM_TP, HAS0, NON0, SIZE] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 21] as const;

interface Pair {
  readonly t: number;
  readonly p: number;
}

function countPair({ t, p }: Pair, origin: Pair): Counts {
  const counts = new Float64Array(SIZE);
  const [dt, dp] = [t - origin.t, p - origin.p];
  counts[N] = 1;
  counts[ERROR] = Math.abs(Math.fround(p - t));
  counts[HITS_7] = Number(level(p, 3) === level(t, 3));
  counts[HITS_5] = Number(level(p, 2) === level(t, 2));
  counts.set([dt, dp, dt * dt, dp * dp, dt * dp], SUM_T);
  counts[HAS0 + cellIndex(t >= 0, p >= 0)] = 1;
  if (t !== 0) counts[NON0 + cellIndex(t > 0, p > 0)] = 1;
  return counts;
}

function cellIndex(truth: boolean, answer: boolean): number {
  return Number(truth) * (SIGNS.length + 1) + Number(answer);
}

/** Clipped, then rounded half to even as NumPy's rint does (Math.round goes half up); -0 is 0. */
function level(value: number, end: number): number {
  const clipped = Math.min(end, Math.max(-end, value));
  const floor = Math.floor(clipped);
  const rest = clipped - floor;
  if (rest === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return rest < 0.5 ? floor : floor + 1;
}

function regressionScoresOf(counts: Counts): RegressionScores {
  const n = counts[N] ?? 0;
  if (n === 0) return {};
  const has0 = counts.subarray(HAS0, NON0);
  const non0 = counts.subarray(NON0, SIZE);
  const nonZeroTruths = non0.some((count) => count > 0);
  const correlation = pearson(counts);
  return {
    Has0_acc_2: accuracyOf(SIGNS, has0),
    Has0_F1_score: weightedF1(classScoresOf(SIGNS, has0)),
    ...(nonZeroTruths ? { Non0_acc_2: accuracyOf(SIGNS, non0), Non0_F1_score: weightedF1(classScoresOf(SIGNS, non0)) } : {}),
    Mult_acc_5: ratio(counts[HITS_5] ?? 0, n),
    Mult_acc_7: ratio(counts[HITS_7] ?? 0, n),
    MAE: ratio(counts[ERROR] ?? 0, n),
    ...(correlation === undefined ? {} : { Corr: correlation }),
  };
}

/** Undefined when either side is constant (NumPy gives nan). */
function pearson(counts: Counts): number | undefined {
  const [n, t, p, tt, pp, tp] = [counts[N] ?? 0, counts[SUM_T] ?? 0, counts[SUM_P] ?? 0, counts[SUM_TT] ?? 0, counts[SUM_PP] ?? 0, counts[SUM_TP] ?? 0];
  const [varianceT, varianceP] = [n * tt - t * t, n * pp - p * p];
  if (varianceT <= n * tt * ROUNDING || varianceP <= n * pp * ROUNDING) return undefined;
  return (n * tp - t * p) / Math.sqrt(varianceT * varianceP);
}

/** What is left of a variance of equal values, relative to its terms. */
const ROUNDING = 1e-13;

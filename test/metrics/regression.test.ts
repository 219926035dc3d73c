import { expect, test } from "vitest";
import { regressionScores, REGRESSION_METRICS } from "../../src/metrics/regression.ts";
import type { RegressionRow } from "../../src/metrics/regression.ts";
import { parseExpected, vectorTest } from "./official-vectors.ts";

function rowsOf(truths: readonly number[], predictions: readonly (number | undefined)[]): RegressionRow[] {
  return truths.map((truth, i) => ({ truth, predicted: predictions[i] }));
}

test("by hand on five rows: Non0 leaves out a truth of 0, a prediction of 0 is negative there and non-negative for Has0", () => {
  const scores = regressionScores(rowsOf([2, -1, 0, 1, -2], [1, -1, -1, 0, 0]));

  expect(scores.Has0_acc_2).toBe(3 / 5); // 2/1, -1/-1 and 1/0 agree
  expect(scores.Non0_acc_2).toBe(3 / 4); // 1/0 does not
  expect(scores.MAE).toBe((1 + 0 + 1 + 1 + 2) / 5);
  expect(scores.Mult_acc_7).toBe(1 / 5);
  // Has0: non-negative 2 of 3 predicted right, of 3 true; negative 1 of 2 and 2.
  expect(scores.Has0_F1_score).toBeCloseTo((3 * (2 / 3) + 2 * (1 / 2)) / 5, 12);
  // Centred truths 2 -1 0 1 -2, centred predictions 1.2 -0.8 -0.8 0.2 0.2.
  expect(scores.Corr).toBeCloseTo(3 / Math.sqrt(10 * 2.8), 12);
});

test.each([[0.5, 0], [1.5, 2], [2.5, 2], [-0.5, 0], [-1.5, -2], [-2.5, -2], [2.51, 3], [-9, -3], [0.49, 0]])("%d counts as level %d of Acc-7", (value, level) => {
  expect(regressionScores([{ truth: level, predicted: value }])).toMatchObject({ Mult_acc_7: 1 });
});

test("a missing number is wrong in every metric and costs the distance to the farther end of the scale", () => {
  const scores = regressionScores(rowsOf([2, -1], [undefined, undefined]));

  expect(scores).toMatchObject({ Has0_acc_2: 0, Non0_acc_2: 0, Mult_acc_5: 0, Mult_acc_7: 0, MAE: (5 + 4) / 2 });
});

test("what cannot be computed is absent: no rows, no truth but 0, a constant", () => {
  expect(regressionScores([])).toEqual({});
  expect(Object.keys(regressionScores(rowsOf([0, 0], [0.1, 0.2])))).toEqual(["Has0_acc_2", "Has0_F1_score", "Mult_acc_5", "Mult_acc_7", "MAE"]);
  expect(regressionScores(rowsOf([1, 2, 0.3], [0.1, 0.1, 0.1])).Corr).toBeUndefined();
});

vectorTest("MMSA's scores of 1861 MOSEI rows are reproduced to 1e-6", ["metrics/mosei_regression.csv", "metrics/expected.json"], ([csv = "", json = ""]) => {
  const expected = parseExpected(json)["mosei_regression.csv"];
  const rows = csv.trim().split(/\r?\n/).slice(1).map((line) => line.split(",").map(Number));

  const scores = regressionScores(rows.map(([truth = Number.NaN, predicted]) => ({ truth, predicted })));

  expect(rows).toHaveLength(expected.n);
  expect(Object.keys(scores)).toEqual(Object.keys(expected.unrounded_float32_pipeline));
  for (const metric of REGRESSION_METRICS) {
    expect(Math.abs((scores[metric] ?? Number.NaN) - (expected.unrounded_float32_pipeline[metric] ?? Number.NaN)), metric).toBeLessThan(1e-6);
    expect(rounded(scores[metric]), metric).toBe(expected.official_rounded_4[metric]);
  }
});

vectorTest("MMSA's edge cases are reproduced, nan as an absent metric", ["metrics/expected.json"], ([json = ""]) => {
  const cases = Object.entries(parseExpected(json).mosei_edge_cases);

  expect(cases).toHaveLength(9);
  for (const [name, { y_true, y_pred, official_rounded_4: official, error }] of cases) {
    const scores = regressionScores(rowsOf(y_true, y_pred));
    if (official === undefined) expect([name, error?.startsWith("IndexError"), scores.Non0_acc_2]).toEqual(["no_nonzero_truth", true, undefined]);
    else expect([name, Object.fromEntries(REGRESSION_METRICS.map((metric) => [metric, rounded(scores[metric])]))]).toEqual([name, official]);
  }
});

/** Four decimals, as MMSA prints; null stands for its nan. */
function rounded(value: number | undefined): number | null {
  return value === undefined ? null : Number(value.toFixed(4));
}

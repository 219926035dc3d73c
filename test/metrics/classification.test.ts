import { expect, test } from "vitest";
import { confusionMatrix, countCells } from "../../src/metrics/confusion.ts";
import type { Labelling } from "../../src/metrics/confusion.ts";
import { addCounts } from "../../src/metrics/counts.ts";
import { accuracyOf, classScores, macroF1, weightedF1 } from "../../src/metrics/f1.ts";
import { parseExpected, vectorTest } from "./official-vectors.ts";

const labels = ["joy", "anger", "fear"] as const;
type Label = (typeof labels)[number];

const gold: Label[] = ["joy", "joy", "anger", "anger", "anger"];
const predicted: (Label | undefined)[] = ["joy", "anger", "anger", undefined, "anger"];

function accuracy<L extends string>(labelling: Labelling<L>): number {
  return accuracyOf(labelling.labels, addCounts(countCells(labelling)));
}

test("accuracy counts an unparsed answer as wrong", () => {
  expect(accuracy({ labels, gold, predicted })).toBe(3 / 5);
  expect(accuracy({ labels, gold: [], predicted: [] })).toBe(0);
});

test("precision, recall and F1 per class by hand on five rows", () => {
  const scores = classScores({ labels, gold, predicted });

  expect(scores["joy"]).toEqual({ precision: 1, recall: 1 / 2, f1: 2 / 3, support: 2, predicted: 1 });
  expect(scores["anger"]).toEqual({ precision: 2 / 3, recall: 2 / 3, f1: 4 / 6, support: 3, predicted: 3 });
  expect(scores["fear"]).toEqual({ precision: 0, recall: 0, f1: 0, support: 0, predicted: 0 });
});

test("macro F1 leaves out a class that occurs nowhere, but not one that is only predicted", () => {
  const absent = classScores({ labels, gold, predicted });
  const onlyPredicted = classScores({ labels, gold: ["joy", "joy"], predicted: ["joy", "fear"] });

  expect(macroF1(absent)).toBeCloseTo(2 / 3, 12);
  expect(macroF1(onlyPredicted)).toBeCloseTo((2 / 3 + 0) / 2, 12);
  expect(weightedF1(onlyPredicted)).toBeCloseTo(2 / 3, 12);
});

test("weighted F1 weighs by gold counts", () => {
  // joy: F1 2/3 over 1 row; anger: one hit of 4, F1 = 2 / (4 + 1).
  const scores = classScores({ labels, gold: ["joy", "anger", "anger", "anger", "anger"], predicted: ["joy", "joy", "anger", "fear", undefined] });

  expect(weightedF1(scores)).toBeCloseTo((1 * (2 / 3) + 4 * (2 / 5)) / 5, 12);
});

test("no rows give zeros, not NaN", () => {
  const scores = classScores<Label>({ labels, gold: [], predicted: [] });

  expect([macroF1(scores), weightedF1(scores)]).toEqual([0, 0]);
});

test("the confusion matrix has gold rows, predicted columns and a last class for unparsed answers", () => {
  expect(confusionMatrix({ labels, gold, predicted })).toEqual({
    labels: ["joy", "anger", "fear", "unparsed"],
    counts: [
      [1, 1, 0, 0],
      [0, 2, 0, 1],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ],
  });
});

test("a fully parsed confusion matrix holds the label set only", () => {
  expect(confusionMatrix({ labels, gold: ["fear"], predicted: ["joy"] })).toEqual({ labels: ["joy", "anger", "fear"], counts: [[0, 0, 0], [0, 0, 0], [1, 0, 0]] });
});

vectorTest("scikit-learn's scores of 1109 MELD rows are reproduced", ["metrics/meld_emotion.csv", "metrics/expected.json"], ([csv = "", json = ""]) => {
  const expected = parseExpected(json)["meld_emotion.csv"];
  const rows = csv.trim().split(/\r?\n/).slice(1).map((line) => line.split(","));
  const labelling = { labels: expected.label_order, gold: rows.map((row) => row[2] ?? ""), predicted: rows.map((row) => row[3] ?? "") };

  const scores = classScores(labelling);

  expect(rows).toHaveLength(1109);
  expect(accuracy(labelling)).toBeCloseTo(expected.accuracy, 12);
  expect(weightedF1(scores)).toBeCloseTo(expected.weighted_f1, 12);
  expect(macroF1(scores)).toBeCloseTo(expected.macro_f1_over_labels_present_in_true_or_pred, 12);
  expect(confusionMatrix(labelling).counts).toEqual(expected.confusion_matrix_rows_true_cols_pred);
  for (const label of labelling.labels) expect(scores[label]).toMatchObject(expected.per_class[label] ?? { unknown: label });
});

vectorTest("scikit-learn's edge cases are reproduced", ["metrics/expected.json"], ([json = ""]) => {
  const cases = Object.values(parseExpected(json).meld_edge_cases);

  expect(cases).toHaveLength(2);
  for (const { y_true, y_pred, expected } of cases) {
    const scores = classScores({ labels: expected.label_order, gold: y_true, predicted: y_pred });
    expect(weightedF1(scores)).toBeCloseTo(expected.weighted_f1, 12);
    expect(macroF1(scores)).toBeCloseTo(expected.macro_f1_over_labels_present_in_true_or_pred, 12);
  }
});

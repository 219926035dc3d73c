import { expect, test } from "vitest";
import { setScores } from "../../src/metrics/set-f1.ts";

const rows = [
  { gold: ["AU01", "AU02"], predicted: ["AU02", "AU01"] },
  { gold: ["AU02", "AU04"], predicted: ["AU02", "AU05"] },
  { gold: ["AU01"], predicted: [] },
  { gold: ["AU04", "AU05"], predicted: ["AU04", "AU05"] },
  { gold: ["AU01", "AU02", "AU04"], predicted: ["AU01", "AU05"] },
];

test("set scores equal scikit-learn's multilabel scores on five rows", () => {
  // precision_recall_fscore_support(average="micro" and "samples", zero_division=0), scikit-learn 1.9.1
  const { perClass, ...scores } = setScores(rows);

  expect(scores).toEqual({ precision: 6 / 8, recall: 6 / 10, f1: 12 / 18, sampleF1: expect.closeTo(0.58, 12), exactMatch: 2 / 5 });
  expect(perClass["AU01"]).toEqual({ precision: 1, recall: 2 / 3, f1: 0.8, support: 3, predicted: 2 });
  expect(perClass["AU05"]).toEqual({ precision: 1 / 3, recall: 1, f1: 0.5, support: 1, predicted: 3 });
  expect(Object.keys(perClass)).toEqual(["AU01", "AU02", "AU04", "AU05"]);
});

test("a member named twice counts once", () => {
  expect(setScores([{ gold: ["AU01"], predicted: ["AU01", "AU01"] }])).toMatchObject({ precision: 1, f1: 1, exactMatch: 1 });
});

test("no rows give zeros", () => {
  expect(setScores([])).toEqual({ precision: 0, recall: 0, f1: 0, sampleF1: 0, exactMatch: 0, perClass: {} });
});

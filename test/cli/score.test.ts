import { join } from "node:path";
import { expect, test } from "vitest";
import type { ScoreEvent } from "../../src/app/score-run.ts";
import { runScore } from "../../src/cli/commands/score.ts";
import { renderReport } from "../../src/cli/render/report.ts";
import type { ScoreReport } from "../../src/scoring/score-files.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { fakeContext, stream } from "./fake-context.ts";

const NONE = { count: 0, first: [] };

const REPORT: ScoreReport = {
  task: "ecpe", protocol: "paper", slips: false, counting: "the counting", n: 1821, metrics: { f1: 0.7, weightedF1: 0.69 }, intervals: { f1: [0.68, 0.72] },
  bootstrap: { unit: "dialogue", units: 332, resamples: 1000, seed: 1, level: 0.95 }, parseFailures: 2, details: { targetsSkipped: 75 }, baselines: { targetItself: { f1: 0.578 } },
  alignment: { by: "order", missing: { count: 1200, first: ["a", "b"] }, repeated: NONE, contradicting: NONE, superfluous: { count: 1, first: ["x"] }, otherGold: NONE },
  notes: ["a note"], predictions: { path: "p.jsonl", format: "m2se predictions" }, gold: { path: "g.json", format: "SemEval" },
};

test("the report says how it was counted, over what the interval is, and all that is amiss", () => {
  expect(renderReport(REPORT)).toBe(`ecpe, protocol paper, n 1,821: the counting
predictions: p.jsonl (m2se predictions)
gold: g.json (SemEval)
metric      score  95%             without a model
----------  -----  --------------  ------------------
f1          0.700  0.680 to 0.720  targetItself 0.578
weightedF1  0.690
95%: bootstrap over 332 units (dialogue), 1,000 resamples, seed 1
2 answers have no form that this protocol reads and count as wrong
targetsSkipped: 75
warning: rows were matched by their order, because not both files have ids
warning: 1,200 without a prediction, counted as wrong (first: a, b)
warning: 1 predicted, but not in the gold file: ignored (first: x)
note: a note`);
});

test("score resolves its files and prints the report, what it wrote, and the same for programs", async () => {
  const folder = await temporaryFolder();
  const written: readonly ScoreEvent[] = [
    { kind: "submission", path: "s.zip", conversations: 3, pairs: 4, empty: 1 },
    { kind: "swift-rows", path: "r.jsonl", rows: 9, replaced: 2 },
    { kind: "score", report: REPORT },
  ];
  const { context, calls, human, json } = fakeContext(folder, { scoreRun: () => stream(...written) });

  await runScore({ task: "ecpe", protocol: "paper", predictions: "p.jsonl", gold: "g.json", slips: true, submission: "s.zip" }, context);

  expect(calls).toEqual([["scoreRun", { task: "ecpe", protocol: "paper", slips: true, predictions: join(folder, "p.jsonl"), gold: join(folder, "g.json"), submission: join(folder, "s.zip") }]]);
  expect(human).toEqual([
    "wrote s.zip: 3 conversations, 4 pairs; 1 conversations have no prediction and no pair",
    "wrote r.jsonl: 9 rows; 2 answers that would end compute_result.py are written as wrong ones",
    renderReport(REPORT),
  ]);
  expect(json).toEqual([written[0], written[1], { kind: "score", ...REPORT }]);
});

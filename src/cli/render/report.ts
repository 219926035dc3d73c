/** @file A score report as text: how it was counted, the table, and everything that is amiss with the files. */
import type { ScoreReport } from "../../scoring/score-files.ts";
import { renderCount, renderScore } from "./numbers.ts";
import { renderBaselines, renderInterval } from "./scores.ts";
import { renderTable } from "./table.ts";

/** Several lines. */
export function renderReport(report: ScoreReport): string {
  const { task, protocol, slips, n, counting, metrics, intervals, bootstrap, baselines, parseFailures, details = {} } = report;
  const rows = Object.entries(metrics).map(([metric, value]) => [metric, renderScore(value), renderInterval(intervals[metric]), renderBaselines(baselines, metric)]);
  return [
    `${task}, protocol ${protocol}${slips ? " with slips" : ""}, n ${renderCount(n)}: ${counting}`,
    `predictions: ${report.predictions.path} (${report.predictions.format})`,
    `gold: ${report.gold.path} (${report.gold.format})`,
    renderTable([{ title: "metric" }, { title: "score", align: "right" }, { title: "95%" }, { title: "without a model" }], rows),
    `95%: bootstrap over ${renderCount(bootstrap.units)} units (${bootstrap.unit}), ${renderCount(bootstrap.resamples)} resamples, seed ${bootstrap.seed}`,
    ...(parseFailures === 0 ? [] : [`${renderCount(parseFailures)} answers have no form that this protocol reads and count as wrong`]),
    ...Object.entries(details).map(([name, value]) => `${name}: ${renderCount(value)}`),
    ...renderAlignment(report.alignment),
    ...report.notes.map((note) => `note: ${note}`),
  ].join("\n");
}

const MEANINGS = [
  ["missing", "without a prediction, counted as wrong"],
  ["contradicting", "predicted several times with different answers, counted as wrong"],
  ["repeated", "predicted several times with the same answer"],
  ["superfluous", "predicted, but not in the gold file: ignored"],
  ["otherGold", "whose own gold answer differs from the gold file's, which counts"],
] as const;

function renderAlignment(alignment: ScoreReport["alignment"]): readonly string[] {
  const by = alignment.by === "order" ? ["warning: rows were matched by their order, because not both files have ids"] : [];
  return [...by, ...MEANINGS.flatMap(([name, meaning]) => (alignment[name].count === 0 ? [] : [`warning: ${renderCount(alignment[name].count)} ${meaning} (first: ${alignment[name].first.join(", ")})`]))];
}

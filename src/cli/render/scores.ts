/** @file Scores as a table, with what needs no model beside them. */
import type { ScoresFile } from "../../eval/score.ts";
import { renderCount, renderScore } from "./numbers.ts";
import { renderTable } from "./table.ts";

/** A row per metric with its 95 % interval; every baseline's value of the same metric stands beside the score. */
export function renderScores(all: readonly ScoresFile[]): string {
  const rows = all.flatMap((scores) =>
    Object.entries(scores.metrics).map(([metric, value], index) => [
      index === 0 ? scores.task : "",
      index === 0 ? renderCount(scores.n) : "",
      metric,
      renderScore(value),
      renderInterval(scores.intervals[metric]),
      renderBaselines(scores.baselines, metric),
    ]),
  );
  const table = renderTable([{ title: "task" }, { title: "n", align: "right" }, { title: "metric" }, { title: "model", align: "right" }, { title: "95%" }, { title: "without a model" }], rows);
  const failures = all.filter(({ parseFailures }) => parseFailures > 0).map(({ task, parseFailures, n }) => `${task}: ${parseFailures} of ${n} answers could not be read and count as wrong`);
  return [table, ...failures].join("\n");
}

/** `0.912 to 0.941`. */
export function renderInterval(interval: readonly [number, number] | undefined): string {
  return interval === undefined ? "" : interval.map((end) => end.toFixed(3)).join(" to ");
}

/** `majority 0.312, previousTurn 0.348`: the baselines that have this metric. */
export function renderBaselines(baselines: Readonly<Record<string, Readonly<Record<string, number>>>>, metric: string): string {
  return Object.entries(baselines)
    .flatMap(([name, metrics]) => (metrics[metric] === undefined ? [] : [`${name} ${renderScore(metrics[metric])}`]))
    .join(", ");
}

/** @file A run plan as text: per stage its tasks, rows, padding, drops and parameters. */
import type { RunPlan, StagePlan } from "../app.ts";
import { renderCount, renderShare } from "./numbers.ts";
import { renderTable } from "./table.ts";

/** One block per stage. */
export function renderPlan({ stages }: RunPlan): string {
  return stages.map(renderStage).join("\n\n");
}

function renderStage({ stage, steps, rows, paddingShare, tasks, drops, trainableParameters, totalParameters }: StagePlan): string {
  const total = tasks.reduce((sum, { supervisedTokens }) => sum + supervisedTokens, 0);
  const table = renderTable(
    [{ title: "task" }, { title: "samples", align: "right" }, { title: "supervised tokens", align: "right" }, { title: "share", align: "right" }],
    tasks.map(({ task, samples, supervisedTokens }) => [task, renderCount(samples), renderCount(supervisedTokens), renderShare(total === 0 ? 0 : supervisedTokens / total)]),
  );
  const dropped = Object.entries(drops).map(([reason, count]) => `dropped: ${renderCount(count)} (${reason})`);
  return [
    `stage ${stage}: ${renderCount(steps)} steps, ${renderCount(rows)} rows, ${renderShare(paddingShare)} padding`,
    `trains ${renderCount(trainableParameters)} of ${renderCount(totalParameters)} parameters (${renderShare(trainableParameters / totalParameters)})`,
    table,
    ...(dropped.length === 0 ? ["dropped: none"] : dropped),
  ].join("\n");
}

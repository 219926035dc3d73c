/** @file A run plan as text: per stage its steps, tasks, padding, drops and parameters. */
import type { StagePlan, TaskPlan } from "../../curriculum/plan.ts";
import type { PlannedStage, RunPlan } from "../app.ts";
import { renderCount, renderMegabytes, renderShare } from "./numbers.ts";
import { renderTable, type Column } from "./table.ts";

/** One block per stage. */
export function renderPlan({ stages }: RunPlan): string {
  return stages.map(renderStage).join("\n\n");
}

function renderStage(plan: PlannedStage): string {
  const { stage, steps, epochs, rows, rowTokens, rowsPerStep, paddingShare, sharingSaves, meanTreesPerRow, trainableParameters, totalParameters } = plan;
  return [
    `stage ${stage}: ${renderCount(steps)} steps of ${rowsPerStep} rows, ${epochs} epochs`,
    `trains ${renderCount(trainableParameters)} of ${renderCount(totalParameters)} parameters (${renderShare(trainableParameters / totalParameters)})`,
    `${renderCount(rows)} rows of ${renderCount(rowTokens)} tokens: ${renderShare(paddingShare)} padding, ${meanTreesPerRow.toFixed(1)} trees a row, shared prefixes save ${renderShare(sharingSaves)} of the tokens`,
    ...renderMemory(plan.memory),
    renderTasks(plan),
    ...renderDrops(plan.drops),
  ].join("\n");
}

function renderMemory({ weights, gradients, moments, activations, clips, peak }: PlannedStage["memory"]): string[] {
  return [
    `memory: about ${renderMegabytes(peak)} at most, of it weights ${renderMegabytes(weights)}, gradients ${renderMegabytes(gradients)}, AdamW ${renderMegabytes(moments)}, decoded clips ${renderMegabytes(clips)}`,
    `activations of the largest batch: ${renderMegabytes(activations.intermediates)}, with gradient checkpointing ${renderMegabytes(activations.inputs)}`,
  ];
}

const COLUMNS: readonly Column[] = [
  { title: "task" },
  { title: "level", align: "right" },
  { title: "available", align: "right" },
  { title: "samples", align: "right" },
  { title: "supervised tokens", align: "right" },
  { title: "share", align: "right" },
  { title: "mean length", align: "right" },
];

function renderTasks({ tasks, supervisedTokens }: StagePlan): string {
  const row = (task: string, plan: TaskPlan): string[] => [
    task,
    String(plan.level),
    renderCount(plan.available),
    renderCount(plan.samples),
    renderCount(plan.supervisedTokens),
    renderShare(supervisedTokens === 0 ? 0 : plan.supervisedTokens / supervisedTokens),
    renderCount(plan.meanTokens),
  ];
  return renderTable(COLUMNS, Object.entries(tasks).map(([task, plan]) => row(task, plan)));
}

function renderDrops(drops: StagePlan["drops"]): string[] {
  const lines = Object.entries(drops).map(([reason, count]) => `dropped: ${renderCount(count)} (${reason})`);
  return lines.length === 0 ? ["dropped: none"] : lines;
}

/** @file A run plan as text: per stage its steps, tasks, padding, drops and parameters. */
import type { StagePlan, TaskPlan } from "../../curriculum/plan.ts";
import { isOnHost } from "../../train/memory-estimate.ts";
import { renderSaving } from "../../train/memory-words.ts";
import type { PlannedStage, RunPlan } from "../app.ts";
import { renderCount, renderDuration, renderMegabytes, renderShare } from "./numbers.ts";
import { renderTable, type Column } from "./table.ts";

/** One block per stage. */
export function renderPlan({ stages, device, fits }: RunPlan): string {
  const blocks = stages.map((plan, i) => renderStage(plan, [...renderFit(plan.memory, device, fits[i]), renderTime(plan, device)]));
  return [...(device.backendFailure === undefined ? [] : [`warning: ${device.backendFailure}`]), ...blocks].join("\n\n");
}

function renderStage(plan: PlannedStage, fit: readonly string[]): string {
  const { stage, steps, epochs, rows, rowTokens, rowsPerStep, paddingShare, sharingSaves, meanTreesPerRow, trainableParameters, totalParameters } = plan;
  return [
    `stage ${stage}: ${renderCount(steps)} steps of ${rowsPerStep} rows, ${epochs} epochs`,
    `trains ${renderCount(trainableParameters)} of ${renderCount(totalParameters)} parameters (${renderShare(trainableParameters / totalParameters)})`,
    `${renderCount(rows)} rows of ${renderCount(rowTokens)} tokens: ${renderShare(paddingShare)} padding, ${meanTreesPerRow.toFixed(1)} trees a row, shared prefixes save ${renderShare(sharingSaves)} of the tokens`,
    ...renderMemory(plan.memory),
    ...fit,
    renderTasks(plan),
    ...renderDrops(plan.drops),
  ].join("\n");
}

function renderMemory({ place, weights, gradients, moments, activations, clips, spare, peak }: Memory): string[] {
  const rest = isOnHost(place) ? `decoded clips ${renderMegabytes(clips)}` : `kept for batches of other sizes ${renderMegabytes(spare)}; decoded clips, in the system's memory, ${renderMegabytes(clips)}`;
  return [
    `memory: about ${renderMegabytes(peak)} at most, of it weights ${renderMegabytes(weights)}, gradients ${renderMegabytes(gradients)}, AdamW ${renderMegabytes(moments)}, ${rest}`,
    `activations of the largest batch: ${renderMegabytes(activations.intermediates)}, with gradient checkpointing ${renderMegabytes(activations.inputs)}`,
  ];
}

type Memory = PlannedStage["memory"];

const VERDICTS = { fits: "fits", close: "may not fit", exceeds: "does not fit" } as const;

/** The need beside what there is, tensors beyond the limit, and what would need less. */
function renderFit({ least, most, peak }: Memory, { of, memory, largestTensor = Infinity }: RunPlan["device"], fit: RunPlan["fits"][number] | undefined): string[] {
  if (fit === undefined) return [];
  const { verdict, tooLarge, savings } = fit;
  const range = `${renderMegabytes(least)} to ${renderMegabytes(most)}`;
  return [
    verdict === "unknown" || memory === undefined
      ? `needs ${range}; how much memory ${of} has is not known`
      : `${VERDICTS[verdict]}: needs ${range}, and ${of} has ${renderMegabytes(memory.bytes / 1e6)} (${memory.source})`,
    ...tooLarge.map(({ name, shape, bytes }) => `too large for ${of}: ${name} [${shape.map(renderCount).join(" x ")}], ${renderMegabytes(bytes / 1e6)} of at most ${renderMegabytes(largestTensor / 1e6)} in one tensor`),
    ...savings.map((saving) => `  ${renderSaving(saving, peak)}`),
  ];
}

function renderTime({ time: { teraflops, seconds }, steps }: PlannedStage, { of, gigaflops = 0 }: RunPlan["device"]): string {
  const work = `${renderCount(Math.ceil(teraflops))} TFLOP of arithmetic`;
  if (seconds === null) return `time: ${work}; the rate of ${of} is not known`;
  return `time: about ${renderDuration(seconds * 1000)}, ${renderDuration((seconds * 1000) / Math.max(1, steps))} a step: ${work} at half of the ${renderCount(gigaflops)} GFLOP/s that ${of} reached just now; reading clips comes on top`;
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

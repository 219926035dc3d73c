/** @file A check's report as text. */
import { SPLITS } from "../../data/record.ts";
import { TASK_NAMES } from "../../tasks/task.ts";
import type { CheckReport } from "../app.ts";
import { renderCount, renderDuration, renderMegabytes } from "./numbers.ts";
import { renderTable, type Column } from "./table.ts";

/** Findings that end the command with the exit code of bad data. */
export function badFindings({ findings }: CheckReport): number {
  return Object.values(findings).reduce((sum, { severity, count }) => sum + (severity === "bad" ? count : 0), 0);
}

/** Splits, token lengths, findings by kind with their first places, needs of the stages. */
export function renderCheck(report: CheckReport): string {
  const { clips, seconds } = report;
  const pace = `${renderCount(clips)} clips looked at; ${renderDuration(seconds * 1000)}${clips === 0 ? "" : `, ${renderCount(clips / Math.max(0.001, seconds))} clips/s`}`;
  return [renderSplits(report), renderLengths(report), renderHeaviest(report), renderNeeds(report), renderFindings(report), renderFixed(report), pace].filter((block) => block !== "").join("\n\n");
}

const number = (title: string): Column => ({ title, align: "right" });

function renderSplits({ splits }: CheckReport): string {
  const rows = SPLITS.flatMap((split) => (splits[split] === undefined ? [] : [[split, splits[split].records, splits[split].utterances, splits[split].withVideo, splits[split].withAudio] as const]));
  return renderTable([{ title: "split" }, number("records"), number("utterances"), number("with video"), number("own sound file")], rows.map(([split, ...counts]) => [split, ...counts.map(renderCount)]));
}

function renderLengths({ splits }: CheckReport): string {
  const rows = SPLITS.flatMap((split) =>
    TASK_NAMES.flatMap((task) => {
      const lengths = splits[split]?.tasks[task];
      if (lengths === undefined) return [];
      const { samples, mean, median, p95, longest, histogram } = lengths;
      const buckets = Object.entries(histogram).map(([size, count]) => `<=${size}: ${renderCount(count)}`);
      return [[split, task, ...[samples, mean, median, p95, longest].map(renderCount), buckets.join("  ")]];
    }),
  );
  if (rows.length === 0) return "";
  return renderTable([{ title: "tokens" }, { title: "task" }, number("samples"), number("mean"), number("median"), number("p95"), number("longest"), { title: "histogram" }], rows);
}

function renderHeaviest({ splits }: CheckReport): string {
  return SPLITS.flatMap((split) => {
    const heaviest = splits[split]?.heaviest;
    return heaviest === undefined ? [] : [`heaviest ${split} record: ${heaviest.id}, ${renderCount(heaviest.tokens)} tokens, ${renderCount(heaviest.supervised)} supervised (${heaviest.where})`];
  }).join("\n");
}

/** What a small CPU reaches in training; the estimate is of the order, not of the minute. */
const ASSUMED_GIGAFLOPS = 100;

function renderNeeds({ stages }: CheckReport): string {
  return stages
    .map(({ stage, tokens, memory, teraflops }) => `stage ${stage}: about ${renderCount(tokens)} tokens, ${renderMegabytes(memory.peak)} of memory, ${renderCount(teraflops)} TFLOP (${renderDuration((teraflops * 1000 * 1000) / ASSUMED_GIGAFLOPS)} at ${ASSUMED_GIGAFLOPS} GFLOP/s)`)
    .join("\n");
}

function renderFindings({ findings }: CheckReport): string {
  const entries = Object.entries(findings).sort(([, a], [, b]) => a.severity.localeCompare(b.severity) || b.count - a.count);
  if (entries.length === 0) return "Nothing bad or odd was found.";
  return entries.map(([kind, { severity, count, examples }]) => [`${severity}: ${renderCount(count)} ${kind}`, ...examples.map(({ where, what }) => `  ${where}: ${what}`), ...(count > examples.length ? [`  and ${renderCount(count - examples.length)} more`] : [])].join("\n")).join("\n");
}

function renderFixed({ fixed }: CheckReport): string {
  return fixed === undefined ? "" : `${fixed.out}: ${renderCount(fixed.records)} records written, ${renderCount(fixed.changed)} of them changed, ${renderCount(fixed.leftOut)} left out`;
}

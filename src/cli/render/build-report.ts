/** @file A build's report as text: what was read, what was written, what was noticed. */
import { differencesFromPublished, type BuildReport, type SplitCounts } from "../../data/build/report.ts";
import { publishedEditions } from "../../data/converters/known.ts";
import { EMOTIONS, MEDIA_STATUSES, SPLITS } from "../../data/record.ts";
import { renderCount } from "./numbers.ts";
import { renderTable, type Column } from "./table.ts";

/** Tables of the splits and of the notices, and whether the sizes are the published ones; `notices` is the file with all of them. */
export function renderBuildReport(report: BuildReport, { notices }: { readonly notices: string }): string {
  const blocks = [renderInputs(report), renderSplits(report), renderStatus(report), renderPublished(report), renderNotices(report, notices)];
  return blocks.filter((block) => block !== "").join("\n\n");
}

function renderInputs({ inputs }: BuildReport): string {
  return Object.entries(inputs)
    .map(([file, { read, refused }]) => `${file}: ${renderCount(read)} read, ${renderCount(read - refused)} converted, ${renderCount(refused)} refused`)
    .join("\n");
}

type Present = readonly (readonly [name: string, counts: SplitCounts])[];

function presentSplits({ splits }: BuildReport): Present {
  return SPLITS.flatMap((split) => (splits[split] === undefined ? [] : [[split, splits[split]] as const]));
}

function renderSplits(report: BuildReport): string {
  const splits = presentSplits(report);
  const number = (title: string): Column => ({ title, align: "right" });
  const rows: (readonly [string, (counts: SplitCounts) => number])[] = [
    ["records", ({ records }) => records],
    ["utterances", ({ utterances }) => utterances],
    ["cause pairs", ({ pairs }) => pairs],
    ...EMOTIONS.map((emotion) => [`emotion ${emotion}`, (counts: SplitCounts) => counts.emotion[emotion] ?? 0] as const),
    ...(["negative", "neutral", "positive"] as const).map((polarity) => [`sentiment ${polarity}`, (counts: SplitCounts) => counts.sentiment[polarity] ?? 0] as const),
    ["face phrases", ({ expression }) => expression],
    ["reasons, given", ({ reason }) => reason.given ?? 0],
    ["reasons, by a model", ({ reason }) => reason.model ?? 0],
    ["reasons, by template", ({ reason }) => reason.template ?? 0],
  ];
  const used = rows.filter(([, value]) => splits.some(([, counts]) => value(counts) > 0));
  return renderTable([{ title: "" }, ...splits.map(([split]) => number(split))], used.map(([title, value]) => [title, ...splits.map(([, counts]) => renderCount(value(counts)))]));
}

function renderStatus(report: BuildReport): string {
  const splits = presentSplits(report);
  const used = MEDIA_STATUSES.filter((status) => splits.some(([, counts]) => counts.status[status] !== undefined));
  const rows = [...used.map((status) => [status, ...splits.map(([, counts]) => renderCount(counts.status[status] ?? 0))]), ["clip is used", ...splits.map(([, { withClip }]) => renderCount(withClip))]];
  const table = renderTable([{ title: "clips" }, ...splits.map(([split]): Column => ({ title: split, align: "right" }))], rows);
  return splits.every(([, { withClip }]) => withClip === 0) ? `${table}\nEvery record is text only.` : table;
}

function renderPublished(report: BuildReport): string {
  if (publishedEditions(report.source).length === 0) return "";
  const differences = differencesFromPublished(report);
  return differences.length === 0 ? "All counts equal the published ones." : `Counts that differ from the published ones:\n${differences.map((line) => `  ${line}`).join("\n")}`;
}

function renderNotices({ notices }: BuildReport, file: string): string {
  const entries = Object.entries(notices).sort(([, a], [, b]) => a.severity.localeCompare(b.severity) || b.count - a.count);
  if (entries.length === 0) return "";
  const rows = entries.map(([kind, { severity, count, examples: [first] }]) => [severity, kind, renderCount(count), first === undefined ? "" : `${first.where}: ${first.what}`]);
  return `${renderTable([{ title: "" }, { title: "noticed" }, { title: "count", align: "right" }, { title: "first" }], rows)}\nAll of them, a line each: ${file}`;
}

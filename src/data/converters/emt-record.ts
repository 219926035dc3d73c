/** @file A record that grows by the rows of one clip or one conversation. */
import type { Split, Utterance } from "../record.ts";
import type { DraftRecord, DraftUtterance } from "./converter.ts";
import type { ClipLabels, EmtRow } from "./emt-row.ts";
import { splitInPath } from "./words.ts";

export type OpenRecord =
  | (Extract<EmtRow, { kind: "clip" }>)
  | { readonly kind: "causes"; readonly where: string; readonly lines: Extract<EmtRow, { kind: "causes" }>["lines"]; readonly targets: ReadonlyMap<number, Extract<EmtRow, { kind: "causes" }>> };

export function openRecord(row: EmtRow): OpenRecord {
  return row.kind === "clip" ? row : { kind: "causes", where: row.where, lines: row.lines, targets: new Map([[row.target, row]]) };
}

/** The record with the row's labels; undefined when the row is of another clip or conversation, or labels again what is labelled. */
export function mergeRow(record: OpenRecord, row: EmtRow): OpenRecord | undefined {
  if (record.kind === "clip") {
    const same = row.kind === "clip" && row.path !== undefined && row.path === record.path && row.media?.audio === record.media?.audio && row.text === record.text;
    const again = same && Object.keys(row.labels).some((label) => label in record.labels);
    return same && !again ? { ...record, labels: { ...record.labels, ...row.labels } } : undefined;
  }
  if (row.kind !== "causes" || record.targets.has(row.target) || !sameLines(record.lines, row.lines)) return undefined;
  return { ...record, targets: new Map([...record.targets, [row.target, row]]) };
}

function sameLines(a: Extract<EmtRow, { kind: "causes" }>["lines"], b: Extract<EmtRow, { kind: "causes" }>["lines"]): boolean {
  return a.length === b.length && a.every((line, i) => line.emotion === b[i]?.emotion && line.speaker === b[i].speaker && line.text === b[i].text);
}

/** The record with ids of its own; the source is told from the media's paths. */
export function toDraft(record: OpenRecord, { id, split }: { readonly id: string; readonly split: Split }): DraftRecord {
  if (record.kind === "clip") {
    const origin = originOf(record.path);
    const utterance: Utterance = { id, text: record.text, ...mediaOf(record), ...(origin.clip === undefined ? {} : { clip: origin.clip }), ...plain(record.labels) };
    return { id, source: origin.source, split, utterances: [draft(utterance, record.where)], where: record.where };
  }
  const first = [...record.targets.values()].find(({ path }) => path !== undefined);
  const origin = originOf(first?.path);
  const annotated = record.lines.flatMap(({ emotion }, i) => (emotion === "neutral" ? [] : [i + 1]));
  const targets = [...record.targets.keys()].sort((a, b) => a - b);
  const isWhole = annotated.every((target) => record.targets.has(target));
  const utterances = record.lines.map(({ emotion, speaker, text }, i): DraftUtterance => {
    const own = record.targets.get(i + 1);
    const clip = originOf(own?.path).clip ?? siblingClip(origin.clip, i + 1);
    return draft({ id: `${id}_utt${i + 1}`, ...(speaker === undefined ? {} : { speaker }), text, ...(own === undefined ? {} : mediaOf(own)), ...(clip === undefined ? {} : { clip }), emotion }, own?.where ?? record.where);
  });
  const pairs = [...record.targets.values()].flatMap(({ target, causes }) => causes.map((causeUtterance) => ({ emotionUtterance: target, causeUtterance })));
  return { id, source: origin.source, split, utterances, pairs, ...(isWhole ? {} : { targets }), where: record.where };
}

function draft(utterance: Utterance, where: string): DraftUtterance {
  const stem = utterance.media?.video?.replace(/\.[^.]*$/, "");
  return { utterance, where, faceFiles: stem === undefined ? [] : [`${stem}.csv`] };
}

function mediaOf({ media }: Pick<EmtRow, "media">): Pick<Utterance, "media"> {
  return media === undefined ? {} : { media };
}

function plain(labels: ClipLabels): ClipLabels {
  return { ...labels, ...(labels.expression === undefined ? {} : { expression: [...labels.expression] }) };
}

/** `MELD/output_repeated_splits_test/dia0_utt0.mp4` is meld/test/dia0_utt0, and so on for the datasets with a converter of their own. */
function originOf(path: string | undefined): { readonly source: string; readonly clip?: string } {
  if (path === undefined) return { source: "emt" };
  const stem = path.replace(/\.[^./]*$/, "");
  const name = stem.split("/").at(-1) ?? stem;
  const folder = stem.slice(0, -name.length);
  const split = splitInPath(folder);
  if (/^dia\d+_utt\d+$/.test(name) && split !== undefined) return { source: "meld", clip: `meld/${split}/${name}` };
  if (/^dia\d+utt\d+$/.test(name)) return { source: "ecf", clip: `ecf/${name}` };
  const [, video] = /(?:^|\/)Raw\/([^/]+)\/$/.exec(folder) ?? [];
  return video === undefined || !/mosei/i.test(path) ? { source: "emt" } : { source: "mosei", clip: `mosei/${video}/${name}` };
}

/** Another utterance of the same ECF conversation. */
function siblingClip(clip: string | undefined, number: number): string | undefined {
  const [, conversation] = /^(ecf\/dia\d+utt)\d+$/.exec(clip ?? "") ?? [];
  return conversation === undefined ? undefined : `${conversation}${number}`;
}

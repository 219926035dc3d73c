/**
 * @file MOSEI's six emotion intensities (0 to 3). label.csv has none; they come as CSV with the six columns and a key:
 * the clip's number, or the sentence, or the times, which the segmented transcripts turn into the clip's number.
 */
import { join } from "node:path";
import { UserError } from "../../core/errors.ts";
import type { BuildOptions } from "../build/options.ts";
import { openCsv } from "../files/csv.ts";
import type { CsvFile, CsvRow } from "../files/csv.ts";
import { detectEncoding, textLines } from "../files/text-file.ts";
import { inFolder, walkFolders } from "../files/walk.ts";
import type { Emotion } from "../record.ts";
import { notice } from "./converter.ts";
import type { ConverterEvent } from "./converter.ts";

/** In this order: the first of equally strong ones, as argmax takes it. */
const COLUMNS = ["happy", "sad", "anger", "surprise", "disgust", "fear"] as const;
const EMOTION_OF: Readonly<Record<(typeof COLUMNS)[number], Emotion>> = { happy: "joy", sad: "sadness", anger: "anger", surprise: "surprise", disgust: "disgust", fear: "fear" };

/** Intensities in the order of COLUMNS. */
type Intensities = readonly number[];

export interface MoseiEmotions {
  readonly isThere: boolean;
  readonly notices: readonly ConverterEvent[];
  of(clip: { readonly video: string; readonly clip: string; readonly text: string }): Promise<Intensities | undefined>;
}

/** The single label of a clip by the rules of the options; undefined: it stays without one. */
export function chooseEmotion(intensities: Intensities, { several, tie, none }: BuildOptions["emotions"]): Emotion | "neutral" | undefined {
  const present = intensities.filter((value) => value > 0).length;
  const largest = Math.max(...intensities);
  if (present === 0) return none === "neutral" ? "neutral" : undefined;
  if (present > 1 && several === "unlabelled") return undefined;
  if (tie === "unlabelled" && intensities.filter((value) => value === largest).length > 1) return undefined;
  const column = COLUMNS[intensities.indexOf(largest)];
  return column === undefined ? undefined : EMOTION_OF[column];
}

/**
 * Reads the intensities into tables, about 100 bytes a clip. `file` is relative to the root; without it the root is searched, and
 * every file with the columns is read (some editions have one for each split).
 */
export async function openMoseiEmotions(root: string, file: string | undefined): Promise<MoseiEmotions> {
  const search = file === undefined ? await findEmotionFiles(root) : { files: [await openCsv(join(root, file), COLUMNS)], notices: [] };
  if (search.files.length === 0) {
    return { isThere: false, notices: [...search.notices, notice("input", root, "no file with emotion intensities (columns happy, sad, anger, surprise, disgust, fear): the records have no emotion")], of: () => Promise.resolve(undefined) };
  }
  const tables: Readonly<Record<Key["kind"], Table>> = { clip: new Map(), text: new Map(), times: new Map() };
  const notices: ConverterEvent[] = [...search.notices];
  for (const csv of search.files) {
    const key = keyOf(csv);
    if (key !== undefined) notices.push(...(await readTable(csv, key, tables[key.kind])));
    else if (file === undefined) notices.push(notice("bad-file", `${csv.path}:1`, unkeyed(csv)));
    else throw new UserError({ kind: "DataError", where: `${csv.path}:1`, what: unkeyed(csv), hint: "Expected video_id with clip_id, or with text, or with start and end." });
  }
  const transcripts = tables.times.size > 0 ? await findTranscripts(root) : undefined;
  if (tables.times.size > 0 && transcripts === undefined) notices.push(notice("missing", root, "emotion intensities name clips by their times; the segmented transcripts (Raw/Transcript/Segmented/Combined), which number them, are not below the root"));
  return {
    isThere: true,
    notices,
    of: async (clip) => {
      const time = await transcripts?.(clip);
      const found = tables.clip.get(clipKey(clip.video, clip.clip)) ?? tables.text.get(textKey(clip.video, clip.text)) ?? (time === undefined ? undefined : tables.times.get(time));
      return found === "ambiguous" ? undefined : found;
    },
  };
}

/** By what names a clip in a kind of file. */
type Table = Map<string, Intensities | "ambiguous">;

async function readTable(csv: CsvFile, key: Key, table: Table): Promise<readonly ConverterEvent[]> {
  const notices: ConverterEvent[] = [];
  const names = new Set<string>();
  for await (const row of csv.rows) {
    const where = `${csv.path}:${row.line}`;
    const values = row.kind === "fault" ? row.what : readIntensities(row);
    if (typeof values === "string" || row.kind === "fault") {
      notices.push(notice("bad-row", where, String(values)));
      continue;
    }
    const name = key.ofRow(row);
    const earlier = table.get(name);
    table.set(name, earlier === undefined || String(earlier) === String(values) ? values : "ambiguous");
    names.add(name);
  }
  return [...notices, notice("input", csv.path, `emotion intensities of ${names.size} clips, by ${KEY_NAMES[key.kind]}`)];
}

const KEY_NAMES = { clip: "clip number", text: "sentence", times: "times" } as const;

interface Key {
  readonly kind: keyof typeof KEY_NAMES;
  readonly ofRow: (row: CsvRow) => string;
}

/** Undefined when nothing in the header names a clip. */
function keyOf({ columns }: CsvFile): Key | undefined {
  const first = (...names: readonly string[]): string | undefined => names.find((name) => columns.includes(name));
  const video = first("video_id", "video", "file", "id");
  const clip = first("clip_id", "clip");
  const start = first("start_time", "start");
  if (video !== undefined && clip !== undefined) return { kind: "clip", ofRow: (row) => clipKey(row.cell(video), row.cell(clip)) };
  if (video !== undefined && columns.includes("text")) return { kind: "text", ofRow: (row) => textKey(row.cell(video), row.cell("text")) };
  if (video !== undefined && start !== undefined) return { kind: "times", ofRow: (row) => timeKey(row.cell(video), row.number(start)) };
  return undefined;
}

function unkeyed({ columns }: CsvFile): string {
  return `nothing in the header names a clip, got ${columns.join(",")}`;
}

function clipKey(video: string, clip: string): string {
  return `${video}\n${clip}`;
}

function textKey(video: string, text: string): string {
  return `${video}\n${letters(text)}`;
}

/** What editions of a text have in common: its letters and digits. */
function letters(text: string): string {
  return text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "");
}

function timeKey(video: string, start: number): string {
  return `${video}\n${start.toFixed(2)}`;
}

function readIntensities(row: CsvRow): Intensities | string {
  const values = COLUMNS.map((column) => row.number(column));
  const wrong = values.findIndex((value) => !(value >= 0 && value <= 3));
  return wrong < 0 ? values : `${COLUMNS[wrong] ?? ""} "${row.cell(COLUMNS[wrong] ?? "")}", expected a number from 0 to 3`;
}

async function findEmotionFiles(root: string): Promise<{ readonly files: readonly CsvFile[]; readonly notices: readonly ConverterEvent[] }> {
  const files: CsvFile[] = [];
  const notices: ConverterEvent[] = [];
  for await (const { path, files: found } of walkFolders(root, 1)) {
    for (const name of found) {
      const file = join(root, inFolder(path, name));
      if (/\.csd$/i.test(name)) notices.push(notice("input", file, "HDF5 is not read: write its `All Labels` as CSV with the columns video,start,end,happy,sad,anger,surprise,disgust,fear"));
      if (!/\.csv$/i.test(name) || /^label\b/i.test(name)) continue;
      const csv = await openCsv(file, COLUMNS).catch((error: unknown) => {
        if (error instanceof UserError) return undefined; // some other table
        throw error;
      });
      if (csv !== undefined) files.push(csv);
    }
  }
  return { files, notices };
}

/** Clip number -> start, from `video___clip___start___end___text` lines; the last video's file is kept. */
async function findTranscripts(root: string): Promise<((clip: { readonly video: string; readonly clip: string }) => Promise<string | undefined>) | undefined> {
  for await (const { path } of walkFolders(root, 4)) {
    if (!path.endsWith("Segmented/Combined")) continue;
    let current: { readonly video: string; readonly starts: ReadonlyMap<string, string> } | undefined;
    return async ({ video, clip }) => {
      if (current?.video !== video) current = { video, starts: await readStarts(join(root, path, `${video}.txt`)) };
      const start = current.starts.get(clip);
      return start === undefined ? undefined : timeKey(video, Number(start));
    };
  }
  return undefined;
}

async function readStarts(path: string): Promise<ReadonlyMap<string, string>> {
  const starts = new Map<string, string>();
  const encoding = await detectEncoding(path).catch(() => undefined);
  if (encoding === undefined) return starts; // a video without transcript: its clips have no emotion, which is told there
  for await (const line of textLines(path, encoding)) {
    const [, clip, start] = line.split("___");
    if (clip !== undefined && start !== undefined) starts.set(clip, start);
  }
  return starts;
}

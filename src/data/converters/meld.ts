/**
 * @file MELD: `{train,dev,test}_sent_emo.csv` and the clips beside them, in any of the folder layouts people have.
 * A record is a dialogue. Ids keep the source's numbers, which have gaps; they are unique only within a split.
 */
import { join } from "node:path";
import { UserError } from "../../core/errors.ts";
import { openCsv } from "../files/csv.ts";
import type { CsvRow } from "../files/csv.ts";
import { inFolder, walkFolders } from "../files/walk.ts";
import { SPLITS } from "../record.ts";
import type { Split, Utterance } from "../record.ts";
import { notice } from "./converter.ts";
import type { ConverterEvent, ConverterInput, DraftUtterance } from "./converter.ts";
import { indexMeldClips } from "./meld-clips.ts";
import type { MeldClips } from "./meld-clips.ts";
import { repairText } from "./repair-text.ts";
import { readEmotion, readPolarity, splitInPath } from "./words.ts";

/** What every edition of the file has; `Sr No.`, season and episode are not needed, and are absent in some. */
const COLUMNS = ["Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"];
const MAX_DEPTH = 4;

/** @throws UserError - DataError when there is no annotation file below the root. */
export async function* convertMeld({ root, mediaRoot, options }: ConverterInput): AsyncGenerator<ConverterEvent> {
  const files = new Map<Split, string>();
  for (const event of await findAnnotations(root)) {
    if ("kind" in event) yield event;
    else files.set(event.split, event.file);
  }
  if (files.size === 0) throw noAnnotations(root);
  const clips = await indexMeldClips(mediaRoot, options.meld.finalVideos);
  yield* clips.notices;
  for (const split of SPLITS) {
    const file = files.get(split);
    if (file !== undefined) yield* convertSplit({ path: join(root, file), split, clips, options });
    else yield notice("missing", root, `no annotation file of the ${split} split (${split === "val" ? "dev" : split}_sent_emo.csv)`);
  }
}

async function findAnnotations(root: string): Promise<readonly ({ readonly split: Split; readonly file: string } | ConverterEvent)[]> {
  const found: ({ readonly split: Split; readonly file: string } | ConverterEvent)[] = [];
  const taken = new Map<Split, string>();
  const candidates: string[] = [];
  for await (const { path, files } of walkFolders(root, MAX_DEPTH)) {
    candidates.push(...files.filter((name) => /sent_emo.*\.csv$/i.test(name) && !name.startsWith("._")).map((name) => inFolder(path, name)));
    found.push(...files.filter((name) => /^(train|dev|test|MELD\.Raw)\.tar\.gz$/.test(name)).map((name) => notice("input", join(root, inFolder(path, name)), "this archive is not unpacked here: unpack it for its clips")));
  }
  // The file nearest to the root counts; copies further down are told.
  for (const file of candidates.sort((a, b) => a.split("/").length - b.split("/").length)) {
    const name = file.split("/").at(-1) ?? file;
    const split = splitInPath(name.replaceAll("_", "/"));
    const first = split === undefined ? undefined : taken.get(split);
    if (/_dya\.csv$/i.test(name)) found.push(notice("input", join(root, file), "MELD's dyadic variant repeats clips and is not converted"));
    else if (split === undefined) found.push(notice("unknown-split", join(root, file), "this name begins with no split, expected train, dev or test: the file is not read"));
    else if (first !== undefined) found.push(notice("input", join(root, file), `the ${split} split is read from ${first}; this file is not read`));
    else {
      taken.set(split, file);
      found.push({ split, file });
    }
  }
  return found;
}

function noAnnotations(root: string): UserError {
  return new UserError({
    kind: "DataError",
    where: root,
    what: "no MELD annotations here, expected train_sent_emo.csv, dev_sent_emo.csv or test_sent_emo.csv in this folder or below",
    hint: "The files come in MELD.Raw.tar.gz and in the dataset's repository (data/MELD); name the folder that holds them and the clips.",
  });
}

interface SplitInput {
  readonly path: string;
  readonly split: Split;
  readonly clips: MeldClips;
  readonly options: ConverterInput["options"];
}

interface Dialogue {
  readonly number: string;
  readonly where: string;
  readonly utterances: DraftUtterance[];
}

/** Rows of one dialogue stand together; a dialogue that goes on further down becomes a second record with the rest. */
async function* convertSplit(input: SplitInput): AsyncGenerator<ConverterEvent> {
  const { path, split, clips } = input;
  const csv = await openCsv(path, COLUMNS).catch(asFault);
  if ("kind" in csv) {
    yield csv;
    return;
  }
  if (csv.encoding === "windows-1252") yield notice("encoding", path, "this file is not UTF-8 and was read as Windows-1252");
  if (!clips.has(split)) yield notice("no-clips", path, `no clips of the ${split} split below the media root: its records are text only`);
  const seen = new Set<string>();
  const parts = new Map<string, number>();
  let current: Dialogue | undefined;
  const finish = (dialogue: Dialogue): ConverterEvent => {
    const part = (parts.get(dialogue.number) ?? 0) + 1;
    parts.set(dialogue.number, part);
    const id = `meld_${split}_dia${dialogue.number}${part === 1 ? "" : `_part${part}`}`;
    return { kind: "record", record: { id, source: "meld", split, utterances: dialogue.utterances, where: dialogue.where } };
  };
  for await (const row of csv.rows) {
    const where = `${path}:${row.line}`;
    if (row.kind === "fault") {
      yield notice("bad-row", where, row.what);
      yield { kind: "row", file: path, refused: true };
      continue;
    }
    const ids = readIds(row);
    const key = ids === undefined ? "" : `dia${ids.dialogue}_utt${ids.utterance}`;
    const refusal = ids === undefined ? notice("bad-row", where, `Dialogue_ID "${row.cell("Dialogue_ID")}" and Utterance_ID "${row.cell("Utterance_ID")}", expected two whole numbers`) : seen.has(key) ? notice("repeated", where, `${key} has a row already; this one is not used`) : undefined;
    yield { kind: "row", file: path, refused: refusal !== undefined };
    if (refusal !== undefined) yield refusal;
    if (ids === undefined || refusal !== undefined) continue;
    seen.add(key);
    if (current !== undefined && current.number !== ids.dialogue) {
      yield finish(current);
      current = undefined;
    }
    if (current === undefined && parts.has(ids.dialogue)) yield notice("order", where, `dialogue ${ids.dialogue} goes on here after other dialogues; the rest of it is a record of its own`);
    current ??= { number: ids.dialogue, where, utterances: [] };
    const { draft, notices } = readUtterance(row, { ...input, where, key });
    yield* notices;
    current.utterances.push(draft);
  }
  if (current !== undefined) yield finish(current);
  yield* clips.withoutRow(split, seen).map(({ file, known }) => notice("no-row", file, `this clip has no row in the annotations${known ? ", as is known of the published archive" : ""}`));
}

/** A file that cannot be read costs its split, not the others. */
function asFault(error: unknown): ConverterEvent {
  if (!(error instanceof UserError) || error.name !== "DataError") throw error;
  const [problem] = error.problems;
  return notice("bad-file", problem?.where ?? "", problem?.what ?? error.message);
}

function readIds(row: CsvRow): { readonly dialogue: string; readonly utterance: string } | undefined {
  const [dialogue, utterance] = [row.cell("Dialogue_ID"), row.cell("Utterance_ID")];
  // Spreadsheets write 3 as 3.0.
  const number = (text: string): string | undefined => /^0*(\d{1,7})(\.0+)?$/.exec(text)?.[1];
  const [d, u] = [number(dialogue), number(utterance)];
  return d === undefined || u === undefined ? undefined : { dialogue: d, utterance: u };
}

function readUtterance(row: CsvRow, { split, clips, options, where, key }: SplitInput & { readonly where: string; readonly key: string }): { readonly draft: DraftUtterance; readonly notices: readonly ConverterEvent[] } {
  const notices: ConverterEvent[] = [];
  const repaired = repairText(row.cell("Utterance"));
  if (repaired.changed) notices.push(notice("text-repaired", where, "Windows-1252 punctuation that had been decoded as Latin-1"));
  const label = <T>(column: string, read: (word: string) => { readonly value: T; readonly differs?: string } | undefined): T | undefined => {
    const word = row.cell(column);
    const reading = read(word);
    if (reading === undefined) notices.push(notice("unknown-label", where, `${column} "${word}" is outside the set; the utterance goes without it`));
    else if (reading.differs !== undefined) notices.push(notice("other-word", where, `${column} "${word}" was read as "${String(reading.value)}"`));
    return reading?.value;
  };
  const emotion = label("Emotion", readEmotion);
  const polarity = label("Sentiment", readPolarity);
  notices.push(...timeNotices(row, where, options.media));
  const video = clips.pathOf(split, key);
  const speaker = row.cell("Speaker");
  const utterance: Utterance = {
    id: `meld_${split}_${key}`,
    ...(speaker === "" ? {} : { speaker: repairText(speaker).text }),
    text: repaired.text,
    ...(clips.has(split) ? { media: { video } } : {}),
    clip: `meld/${split}/${key}`,
    ...(emotion === undefined ? {} : { emotion }),
    ...(polarity === undefined ? {} : { sentiment: { polarity } }),
  };
  const stem = video.replace(/\.[^.]*$/, "");
  return { draft: { utterance, where, faceFiles: [`${stem}.csv`, `${split}/${key}.csv`, ...(split === "val" ? [`dev/${key}.csv`] : [])] }, notices };
}

/** Start and end disagree with what a spoken utterance can be: the cut, if there is one, is wrong. */
function timeNotices(row: CsvRow, where: string, { minSeconds, maxSeconds }: { readonly minSeconds: number; readonly maxSeconds: number }): ConverterEvent[] {
  const [start, end] = [readTime(row.cell("StartTime")), readTime(row.cell("EndTime"))];
  if (start === undefined || end === undefined) return [];
  const seconds = end - start;
  return seconds < minSeconds || seconds > maxSeconds ? [notice("odd-time", where, `StartTime to EndTime is ${seconds.toFixed(3)} s, expected ${minSeconds} to ${maxSeconds} s`)] : [];
}

/** Seconds of `H:MM:SS,mmm` with one or two hour digits, comma or dot. */
function readTime(text: string): number | undefined {
  const [, hours, minutes, seconds, milliseconds] = /^(\d{1,2}):(\d\d):(\d\d)[,.](\d{3})$/.exec(text) ?? [];
  return hours === undefined ? undefined : Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds) + Number(milliseconds) / 1000;
}

/**
 * @file CMU-MOSEI as MMSA distributes it: label.csv and Raw/{video_id}/{clip_id}.mp4, with the six emotion intensities
 * from a file of their own. A record is one clip. Ids are texts: YouTube's names begin with dashes, are all digits, hold underscores.
 */
import { basename, join, resolve } from "node:path";
import { UserError } from "../../core/errors.ts";
import { createNameTable } from "../../core/name-table.ts";
import { openCsv } from "../files/csv.ts";
import type { CsvRow } from "../files/csv.ts";
import { inFolder, walkFolders } from "../files/walk.ts";
import type { Polarity, Utterance } from "../record.ts";
import { notice } from "./converter.ts";
import type { ConverterEvent, ConverterInput } from "./converter.ts";
import { chooseEmotion, openMoseiEmotions } from "./mosei-emotions.ts";
import type { MoseiEmotions } from "./mosei-emotions.ts";
import { readPolarity, readSplit } from "./words.ts";

const COLUMNS = ["video_id", "clip_id", "text", "label", "mode"];
/** Raw lies near the root; its thousands of folders are not walked. */
const MAX_DEPTH = 2;

/** @throws UserError - DataError when there is no label.csv below the root. */
export async function* convertMosei({ root, mediaRoot, options }: ConverterInput): AsyncGenerator<ConverterEvent> {
  const labels = await findNearest(root, (name) => name === "label.csv" || /^label\..*csv$/i.test(name));
  if (labels === undefined) throw new UserError({ kind: "DataError", where: root, what: "no label.csv in this folder or below", hint: "It comes with MMSA's download of MOSEI, beside the folder Raw." });
  const path = join(root, labels);
  const emotions = await openMoseiEmotions(root, options.emotions.file);
  yield* emotions.notices;
  const raw = basename(resolve(mediaRoot)) === "Raw" ? "" : await findFolder(mediaRoot, "Raw");
  if (raw === undefined) yield notice("no-clips", mediaRoot, "no folder Raw below the media root: the records are text only");
  const csv = await openCsv(path, COLUMNS);
  if (csv.encoding === "windows-1252") yield notice("encoding", path, "this file is not UTF-8 and was read as Windows-1252");
  const seen = createNameTable();
  for await (const row of csv.rows) {
    const where = `${path}:${row.line}`;
    const id = row.kind === "row" ? `${row.cell("video_id")}$_$${row.cell("clip_id")}` : "";
    const refusal = row.kind === "fault" ? notice("bad-row", where, row.what) : refuse(row, where, seen.has(id));
    yield { kind: "row", file: path, refused: refusal !== undefined };
    if (refusal !== undefined) yield refusal;
    if (row.kind === "fault" || refusal !== undefined) continue;
    seen.claim(id, row.line);
    yield* draft(row, { where, id, raw, emotions, options });
  }
}

function refuse(row: CsvRow, where: string, isRepeated: boolean): ConverterEvent | undefined {
  const [video, clip] = [row.cell("video_id"), row.cell("clip_id")];
  if (video === "" || clip === "") return notice("bad-row", where, "video_id or clip_id is empty");
  if (/[/\\\0]/.test(video + clip) || video === ".." || clip === "..") return notice("unsafe-path", where, `${JSON.stringify(`${video}/${clip}`)} is no name of a clip: it would lead out of its folder`);
  if (isRepeated) return notice("repeated", where, `the clip ${video}/${clip} has a row already; this one is not used`);
  if (readSplit(row.cell("mode")) === undefined) return notice("unknown-split", where, `mode "${row.cell("mode")}", expected train, valid or test; the row is not used`);
  return undefined;
}

interface DraftInput {
  readonly where: string;
  readonly id: string;
  /** Relative to the media root. */
  readonly raw: string | undefined;
  readonly emotions: MoseiEmotions;
  readonly options: ConverterInput["options"];
}

async function* draft(row: CsvRow, { where, id, raw, emotions, options }: DraftInput): AsyncGenerator<ConverterEvent> {
  const [video, clip] = [row.cell("video_id"), row.cell("clip_id")];
  const mode = readSplit(row.cell("mode"));
  if (mode === undefined) return;
  if (mode.differs !== undefined) yield notice("other-word", where, `mode "${row.cell("mode")}" was read as "${mode.value}"`);
  const { sentiment, what } = readSentiment(row, options.sentiment.zero);
  if (what !== undefined) yield notice("unknown-label", where, what);
  const found = await emotions.of({ video, clip, text: row.cell("text") });
  const chosen = found === undefined ? undefined : chooseEmotion(found, options.emotions);
  if (found === undefined && emotions.isThere) yield notice("no-emotion", where, `no emotion intensities of ${video}/${clip}; it has no emotion label`);
  const utterance: Utterance = {
    id: `mosei_${id}`,
    text: row.cell("text"),
    ...(raw === undefined ? {} : { media: { video: inFolder(raw, `${video}/${clip}.mp4`) } }),
    clip: `mosei/${video}/${clip}`,
    ...(sentiment === undefined ? {} : { sentiment }),
    ...(chosen === undefined ? {} : { emotion: chosen }),
  };
  const faceFiles = [`${video}/${clip}.csv`, `${video}_${clip}.csv`, `${video}$_$${clip}.csv`];
  yield { kind: "record", record: { id: `mosei_${id}`, source: "mosei", split: mode.value, utterances: [{ utterance, where, faceFiles }], where } };
}

/** The score decides; where there is none, the word in `annotation`. */
function readSentiment(row: CsvRow, zero: Polarity): { readonly sentiment?: NonNullable<Utterance["sentiment"]>; readonly what?: string } {
  const text = row.cell("label");
  const score = row.number("label");
  if (Number.isFinite(score) && Math.abs(score) <= 3) return { sentiment: { score, polarity: score > 0 ? "positive" : score < 0 ? "negative" : zero } };
  const word = readPolarity(row.cell("annotation"));
  if (text === "" && word !== undefined) return { sentiment: { polarity: word.value } };
  return { what: `label "${text}", expected a number from -3 to 3; the clip goes without a sentiment` };
}

async function findNearest(root: string, matches: (name: string) => boolean): Promise<string | undefined> {
  for await (const { path, files } of walkFolders(root, 1)) {
    const name = files.find((file) => file === "label.csv") ?? files.find(matches);
    if (name !== undefined) return inFolder(path, name);
  }
  return undefined;
}

/** The first folder of that name. */
async function findFolder(root: string, name: string): Promise<string | undefined> {
  for await (const { path } of walkFolders(root, MAX_DEPTH)) {
    if (path === name || path.endsWith(`/${name}`)) return path;
  }
  return undefined;
}

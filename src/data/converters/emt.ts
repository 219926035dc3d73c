/**
 * @file The paper's EMT/AMT files and any ms-swift rows that ask the five tasks' questions. Rows of one clip, or of one
 * conversation, that stand together become one record.
 */
import { stat } from "node:fs/promises";
import { basename, isAbsolute, join, relative, resolve } from "node:path";
import { UserError } from "../../core/errors.ts";
import { readJsonItems } from "../files/json-items.ts";
import { inFolder, walkFolders } from "../files/walk.ts";
import { looksLikeSwiftRow, readSwiftRow } from "../emt/swift-row.ts";
import { pathFault } from "../probing/inspect-clip.ts";
import type { Split } from "../record.ts";
import { notice } from "./converter.ts";
import type { ConverterEvent, ConverterInput } from "./converter.ts";
import { readEmtRow } from "./emt-row.ts";
import type { EmtRow } from "./emt-row.ts";
import { mergeRow, openRecord, toDraft } from "./emt-record.ts";
import type { OpenRecord } from "./emt-record.ts";
import { splitInPath } from "./words.ts";

const MAX_DEPTH = 3;

/** @throws UserError - DataError when no file below the root holds ms-swift rows. */
export async function* convertEmt({ root, mediaRoot }: ConverterInput): AsyncGenerator<ConverterEvent> {
  const { files, notices } = await findRowFiles(root);
  yield* notices;
  if (files.length === 0) throw noRows(root, notices);
  const media = mediaFinder(mediaRoot);
  const numbers = new Map<Split, number>();
  for (const file of files) {
    const named = splitInPath(basename(file).replace(/[_.-]/g, "/"));
    if (named === undefined) yield notice("input", join(root, file), "the name holds no split (train, dev, test): its rows are training rows");
    yield* convertFile({ path: join(root, file), split: named ?? "train", media, numbers });
  }
  yield* media.notices();
}

async function findRowFiles(root: string): Promise<{ readonly files: readonly string[]; readonly notices: readonly ConverterEvent[] }> {
  const files: string[] = [];
  const notices: ConverterEvent[] = [];
  for await (const folder of walkFolders(root, MAX_DEPTH)) {
    for (const name of folder.files.filter((one) => /\.jsonl?$/i.test(one) && !one.startsWith("."))) {
      const file = inFolder(folder.path, name);
      const what = await noRowsIn(join(root, file));
      if (what === undefined) files.push(file);
      else notices.push(notice("input", join(root, file), what));
    }
  }
  return { files, notices };
}

const LOOKED_AT = 50;

/** Undefined for a file whose first readable item is a row; broken items before it are told when the file is read. */
async function noRowsIn(path: string): Promise<string | undefined> {
  let looked = 0;
  let fault: string | undefined;
  for await (const item of readJsonItems(path)) {
    if (item.kind === "item") return looksLikeSwiftRow(item.value) ? undefined : "this file does not begin with an ms-swift row and is not read";
    fault ??= `line ${item.line}: ${item.what}; this file is not read`;
    if ((looked += 1) === LOOKED_AT) break;
  }
  return fault ?? "this file holds nothing and is not read";
}

function noRows(root: string, found: readonly ConverterEvent[]): UserError {
  const [first] = found.flatMap((event) => (event.kind === "notice" ? [`${event.notice.where}: ${event.notice.what}`] : []));
  return new UserError({ kind: "DataError", where: root, what: `no EMT or ms-swift rows in this folder or below${first === undefined ? "" : ` (found: ${first})`}, expected .json or .jsonl files of objects with query and response, with messages, or with instruction and output`, hint: "Only files that begin with such an object are read." });
}

interface FileInput {
  readonly path: string;
  readonly split: Split;
  readonly media: MediaFinder;
  /** Records so far, by split. */
  readonly numbers: Map<Split, number>;
}

async function* convertFile({ path, split, media, numbers }: FileInput): AsyncGenerator<ConverterEvent> {
  let open: OpenRecord | undefined;
  const close = function* (): Generator<ConverterEvent> {
    if (open === undefined) return;
    const number = (numbers.get(split) ?? 0) + 1;
    numbers.set(split, number);
    yield { kind: "record", record: toDraft(open, { id: `emt_${split}_${number}`, split }) };
    open = undefined;
  };
  for await (const item of readJsonItems(path)) {
    const where = `${path}:${item.line}`;
    const row = item.kind === "fault" ? item.what : readSwiftRow(item.value);
    const read = typeof row === "string" ? undefined : readEmtRow(row, { where, pathOf: (file) => media.pathOf(file) });
    yield { kind: "row", file: path, refused: read?.row === undefined };
    if (typeof row === "string") yield notice("bad-row", where, row);
    yield* read?.notices ?? [];
    if (read?.row === undefined) continue;
    await media.look(read.row.media?.video);
    const merged: OpenRecord | undefined = open === undefined ? undefined : mergeRow(open, withMedia(read.row, media));
    if (merged === undefined) {
      yield* close();
      open = openRecord(withMedia(read.row, media));
    } else open = merged;
  }
  yield* close();
}

function withMedia(row: EmtRow, media: MediaFinder): EmtRow {
  if (row.media === undefined || media.isThere(row.media.video)) return row;
  const { media: _, ...rest } = row;
  return rest;
}

interface MediaFinder {
  /** A row's path relative to the media root where it lies in it; any other as it is, to be refused as unsafe. */
  pathOf(file: string): string;
  look(path: string | undefined): Promise<void>;
  /** Whether the path's first folder exists: whole datasets are absent, or single files are missing. */
  isThere(path: string | undefined): boolean;
  notices(): readonly ConverterEvent[];
}

function mediaFinder(mediaRoot: string): MediaFinder {
  const folders = new Map<string, { readonly isThere: boolean; uses: number }>();
  const top = (path: string): string | undefined => (path.includes("/") && pathFault(path) === undefined ? path.split("/")[0] : undefined);
  return {
    pathOf: (file) => {
      const inside = isAbsolute(file) ? relative(resolve(mediaRoot), file) : file.replace(/^(?:\.\/)+/, "");
      return inside.startsWith("..") && isAbsolute(file) ? file : inside;
    },
    look: async (path) => {
      const name = path === undefined ? undefined : top(path);
      if (name === undefined) return;
      const known = folders.get(name) ?? { isThere: await stat(join(mediaRoot, name)).then(() => true, () => false), uses: 0 };
      known.uses += 1;
      folders.set(name, known);
    },
    isThere: (path) => path === undefined || folders.get(top(path) ?? "")?.isThere !== false,
    notices: () => [...folders].filter(([, { isThere }]) => !isThere).map(([name, { uses }]) => notice("no-clips", join(mediaRoot, name), `no such folder: the ${uses} rows whose media are in it are text only`)),
  };
}

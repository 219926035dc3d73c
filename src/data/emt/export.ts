/** @file A dataset as files that ms-swift reads: one per task and split, in the paper's form or as messages. */
import { readdir } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { UserError } from "../../core/errors.ts";
import { describeSystemError } from "../../core/files.ts";
import { mediaRootOf, readDatasetInfo, requireFolder } from "../dataset.ts";
import { openTextWriter } from "../files/text-writer.ts";
import { streamJsonl } from "../jsonl.ts";
import { recordSchema, SPLITS } from "../record.ts";
import type { EmtRecord, Split, Utterance } from "../record.ts";
import { causeTurn, CLIP_TASKS, clipTurn } from "./paper-prompts.ts";
import type { ClipTask, PaperTurn } from "./paper-prompts.ts";

export const EXPORT_FORMS = ["paper", "messages"] as const;
export type ExportForm = (typeof EXPORT_FORMS)[number];
export type ExportTask = ClipTask | "ecpe";

export interface ExportInput {
  /** A dataset of ours. */
  readonly root: string;
  readonly out: string;
  /** `paper`: a JSON list of query, response, videos, as the authors wrote it; `messages`: JSON lines of ms-swift 3. */
  readonly form: ExportForm;
  readonly tasks: readonly ExportTask[];
  /** Stands before every media path; default: the media root's absolute path, so that rows are read from anywhere. */
  readonly mediaPrefix?: string | undefined;
}

/** Rows by file name, e.g. `{ "erc_test.json": 2610 }`; a task without rows in a split has no file. */
export type ExportedFiles = Readonly<Record<string, number>>;

/** @throws UserError - DataError with the faults of the first broken lines, a folder that is not empty, or a dataset without rows of these tasks. */
export async function exportDataset({ root, out, form, tasks, mediaPrefix }: ExportInput): Promise<ExportedFiles> {
  await requireEmpty(out);
  await requireFolder(root);
  const prefix = mediaPrefix ?? `${resolve(await mediaRootOf(root, await readDatasetInfo(root)))}${sep}`;
  const files = new Map<string, RowFile>();
  try {
    for (const split of SPLITS) await exportSplit({ root, split, form, tasks, prefix }, async (task, row) => {
      const name = `${task}_${split}.${form === "paper" ? "json" : "jsonl"}`;
      const file = files.get(name) ?? (await openRowFile(join(out, name), form));
      files.set(name, file);
      await file.write(row);
    });
    if (files.size === 0) throw new UserError({ kind: "DataError", where: root, what: `no rows of ${tasks.join(", ")} here`, hint: "Name a dataset's folder (train.jsonl, val.jsonl, test.jsonl) whose records have these labels." });
    for (const file of files.values()) await file.commit();
    return Object.fromEntries([...files].map(([name, file]) => [name, file.rows()]));
  } finally {
    for (const file of files.values()) await file.discard();
  }
}

interface SplitInput {
  readonly root: string;
  readonly split: Split;
  readonly form: ExportForm;
  readonly tasks: readonly ExportTask[];
  readonly prefix: string;
}

async function exportSplit({ root, split, form, tasks, prefix }: SplitInput, write: (task: ExportTask, row: unknown) => Promise<void>): Promise<void> {
  const present = await readdir(root).catch((error: unknown) => {
    throw describeSystemError(error, root);
  });
  if (!present.includes(`${split}.jsonl`)) return;
  for await (const line of streamJsonl(join(root, `${split}.jsonl`), recordSchema)) {
    if ("problems" in line) throw new UserError(line.problems);
    for (const { task, utterance, turn } of turnsOf(line.value, tasks)) await write(task, rowOf({ task, utterance, turn, form, prefix }));
  }
}

interface ExportedTurn {
  readonly task: ExportTask;
  readonly utterance: Utterance;
  readonly turn: PaperTurn;
}

function turnsOf(record: EmtRecord, tasks: readonly ExportTask[]): ExportedTurn[] {
  return record.utterances.flatMap((utterance, i) =>
    tasks.flatMap((task) => {
      const turn = task === "ecpe" ? causeTurn(record, i + 1) : clipTurn(task, utterance, record.source);
      return turn === undefined ? [] : [{ task, utterance, turn }];
    }),
  );
}

/** Keys in the order of the authors' files: the clip comes last, and first for ECPE. */
function rowOf({ task, utterance: { media }, turn, form, prefix }: ExportedTurn & { readonly form: ExportForm; readonly prefix: string }): unknown {
  const files = (path: string | undefined): string[] => (path === undefined ? [] : [`${prefix}${path}`]);
  const isPicture = /\.(jpe?g|png|webp|bmp)$/i.test(media?.video ?? "");
  const visual = media?.video === undefined ? {} : { [isPicture ? "images" : "videos"]: files(media.video) };
  const audio = media?.audio === undefined ? {} : { audios: files(media.audio) };
  if (form === "paper") return task === "ecpe" ? { ...visual, ...audio, ...turn } : { ...turn, ...visual, ...audio };
  const tags = `${media?.video === undefined ? "" : isPicture ? "<image>" : "<video>"}${media?.audio === undefined ? "" : "<audio>"}`;
  return { messages: [{ role: "user", content: `${tags}${turn.query}` }, { role: "assistant", content: turn.response }], ...visual, ...audio };
}

interface RowFile {
  write(row: unknown): Promise<void>;
  rows(): number;
  commit(): Promise<void>;
  discard(): Promise<void>;
}

/** Python's `json.dumps(rows, indent=4, ensure_ascii=False)`, byte for byte, or JSON lines. */
async function openRowFile(path: string, form: ExportForm): Promise<RowFile> {
  const writer = await openTextWriter(path);
  let rows = 0;
  return {
    rows: () => rows,
    write: async (row) => {
      if (form === "paper") await writer.write(`${rows === 0 ? "[\n    " : ",\n    "}${JSON.stringify(row, undefined, 4).replaceAll("\n", "\n    ")}`);
      else await writer.write(`${JSON.stringify(row)}\n`);
      rows += 1;
    },
    commit: async () => {
      if (form === "paper") await writer.write("\n]");
      await writer.commit();
    },
    discard: () => writer.discard(),
  };
}

async function requireEmpty(out: string): Promise<void> {
  const entries = await readdir(out).catch((): string[] => []);
  if (entries.length > 0) throw new UserError({ kind: "DataError", where: out, what: "--out is not empty", hint: "Name a new folder, or delete this one." });
}

export const EXPORT_TASKS: readonly ExportTask[] = [...CLIP_TASKS, "ecpe"];

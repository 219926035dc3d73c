/** @file Dataset: a folder with train.jsonl, val.jsonl, test.jsonl, dataset.json and the media they name. */
import { readFile, realpath, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import type { Problem } from "../core/errors.ts";
import { describeSystemError, isMissing } from "../core/files.ts";
import { describeIssue } from "./issues.ts";
import { streamJsonl } from "./jsonl.ts";
import { mediaProblems, recordChecker } from "./problems.ts";
import { SPLITS, recordSchema } from "./record.ts";
import type { EmtRecord, Split, Utterance } from "./record.ts";

/** Content of dataset.json; written last, so its presence means that the dataset is whole. */
const infoSchema = z.strictObject({
  name: z.string().min(1),
  source: z.string().min(1),
  mediaRoot: z.string().min(1).optional().describe("folder that media paths are relative to, itself relative to this file's folder; absent: this folder"),
  seed: z.number().int().optional(),
  counts: z.partialRecord(z.enum(SPLITS), z.strictObject({ records: z.number().int().min(0), utterances: z.number().int().min(0) })),
});
export type DatasetInfo = z.infer<typeof infoSchema>;

export interface DatasetFolder {
  /** As given. */
  readonly root: string;
  readonly name: string;
  readonly info?: DatasetInfo;
  /** Absolute paths; they stay under the root, whether the files exist is not checked. */
  mediaPath(utterance: Utterance): { readonly video?: string; readonly audio?: string };
  /**
   * The records of all splits, in file order. Nothing but their ids is held.
   *
   * @throws UserError at the end with every fault found (the first 20 in full): bad lines, repeated ids, pairs outside the
   * dialogue, media paths that leave the root, counts that differ from dataset.json; or when there is no record.
   */
  readonly stream: () => AsyncGenerator<EmtRecord>;
}

export interface Dataset extends Omit<DatasetFolder, "stream"> {
  /** In file order; empty when the dataset has no such split. */
  records(split: Split): readonly EmtRecord[];
}

/**
 * Reads a dataset and checks all of it before the first record is used.
 *
 * @throws UserError as the folder's stream does, or when there is no such folder.
 */
export async function openDataset(root: string): Promise<Dataset> {
  const { stream, ...folder } = await openDatasetFolder(root);
  const records: Record<Split, EmtRecord[]> = { train: [], val: [], test: [] };
  for await (const record of stream()) records[record.split].push(record);
  return { ...folder, records: (split) => records[split] };
}

/** A dataset whose records are read as they are needed. @throws UserError when there is no such folder, or dataset.json is faulty. */
export async function openDatasetFolder(root: string): Promise<DatasetFolder> {
  const realRoot = await requireFolder(root);
  const info = await readDatasetInfo(root);
  const media = await mediaRootOf(root, info);
  const absolute = resolve(root);
  const absoluteMedia = resolve(media);
  const realMedia = media === root ? realRoot : await realpath(media);
  return {
    root,
    name: info?.name ?? absolute.split(/[\\/]/).at(-1) ?? root,
    ...(info === undefined ? {} : { info }),
    stream: () => streamRecords({ root, info, realMedia }),
    mediaPath: (utterance) => ({
      ...(utterance.media?.video === undefined ? {} : { video: join(absoluteMedia, utterance.media.video) }),
      ...(utterance.media?.audio === undefined ? {} : { audio: join(absoluteMedia, utterance.media.audio) }),
    }),
  };
}

const SHOWN_PROBLEMS = 20;

async function* streamRecords({ root, info, realMedia }: { readonly root: string; readonly info: DatasetInfo | undefined; readonly realMedia: string }): AsyncGenerator<EmtRecord> {
  const problemsOf = recordChecker();
  const shown: Problem[] = [];
  let faults = 0;
  const tell = (problems: readonly Problem[]): void => {
    faults += problems.length;
    shown.push(...problems.slice(0, SHOWN_PROBLEMS - shown.length));
  };
  const counts: Record<Split, number> = { train: 0, val: 0, test: 0 };
  for (const split of SPLITS) {
    const path = join(root, `${split}.jsonl`);
    if ((await stat(path).catch(() => undefined)) === undefined) continue;
    for await (const line of streamJsonl(path, recordSchema)) {
      const problems = "problems" in line ? line.problems : [...problemsOf(line, split), ...(await mediaProblems(line, realMedia))];
      tell(problems);
      if ("problems" in line || problems.length > 0) continue;
      counts[split] += 1;
      yield line.value;
    }
  }
  // Counts are compared only when nothing else is wrong: a refused line would be reported twice.
  if (faults === 0 && info !== undefined) tell(countProblems(root, info, counts));
  if (faults > 0) throw new UserError(faults === shown.length ? shown : [...shown, moreProblems(root, { faults, shown: shown.length })]);
  if (SPLITS.every((split) => counts[split] === 0)) throw noRecords(root);
}

/**
 * The folder that a dataset's media paths are relative to.
 *
 * @throws UserError (DataError) when dataset.json names one that is not there.
 */
export async function mediaRootOf(root: string, info: DatasetInfo | undefined): Promise<string> {
  if (info?.mediaRoot === undefined) return root;
  const media = resolve(root, info.mediaRoot);
  const found = await stat(media).catch(() => undefined);
  if (found?.isDirectory() === true) return media;
  throw new UserError({ kind: "DataError", where: join(root, "dataset.json"), what: `mediaRoot: got "${info.mediaRoot}", which is no folder as seen from here`, hint: "The media were moved, or this folder was: correct mediaRoot, or build the dataset again." });
}

/** The dataset's folder with links resolved. @throws UserError when there is none. */
export async function requireFolder(root: string): Promise<string> {
  const found = await stat(root).catch(() => undefined);
  if (found?.isDirectory() === true) return realpath(root);
  const what = found === undefined ? "the dataset's root does not exist" : "the dataset's root is a file, expected a folder";
  throw new UserError({ kind: "DataError", where: root, what, hint: "Check data.root, or make a dataset with `m2se data synth --out DIR`." });
}

function noRecords(root: string): UserError {
  const names = SPLITS.map((split) => `${split}.jsonl`).join(", ");
  return new UserError({ kind: "DataError", where: root, what: `no records here, expected at least one line in ${names}`, hint: "Render a dataset with `m2se data synth --out DIR`. If rendering into this folder was cut short, delete the folder first." });
}

/**
 * The dataset's dataset.json; undefined when there is none: not every dataset has one, but every rendered one that is whole.
 *
 * @throws UserError (DataError) when it is not what it should be.
 */
export async function readDatasetInfo(root: string): Promise<DatasetInfo | undefined> {
  const path = join(root, "dataset.json");
  let json: unknown;
  try {
    json = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (error instanceof SyntaxError) throw new UserError({ kind: "DataError", where: path, what: `this file is not JSON: ${error.message}` });
    throw describeSystemError(error, path);
  }
  const parsed = infoSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new UserError(parsed.error.issues.map((issue) => ({ kind: "DataError", where: path, ...describeIssue(issue, json) })));
}

function countProblems(root: string, { counts }: DatasetInfo, found: Readonly<Record<Split, number>>): Problem[] {
  return SPLITS.flatMap((split) => {
    const expected = counts[split]?.records;
    if (expected === undefined || expected === found[split]) return [];
    return [{ kind: "DataError", where: join(root, `${split}.jsonl`), what: `got ${found[split]} records, but dataset.json says ${expected}`, hint: "The copy is incomplete or was edited: make it again, or correct dataset.json." }];
  });
}

function moreProblems(root: string, { faults, shown }: { readonly faults: number; readonly shown: number }): Problem {
  const hidden = faults - shown;
  return { kind: "DataError", where: root, what: `${hidden} more ${hidden === 1 ? "problem" : "problems"} like these, ${faults} in all` };
}

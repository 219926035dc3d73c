/** @file Dataset: a folder with train.jsonl, val.jsonl, test.jsonl, dataset.json and the media they name. */
import { readFile, realpath, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import type { Problem } from "../core/errors.ts";
import { describeSystemError, isMissing } from "../core/files.ts";
import { describeIssue } from "./issues.ts";
import { readJsonl } from "./jsonl.ts";
import type { JsonlLine } from "./jsonl.ts";
import { findProblems } from "./problems.ts";
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

export interface Dataset {
  /** As given to `openDataset`. */
  readonly root: string;
  readonly name: string;
  readonly info?: DatasetInfo;
  /** In file order; empty when the dataset has no such split. */
  records(split: Split): readonly EmtRecord[];
  /** Absolute paths; they stay under the root, whether the files exist is not checked. */
  mediaPath(utterance: Utterance): { readonly video?: string; readonly audio?: string };
}

const SHOWN_PROBLEMS = 20;

/**
 * Reads a dataset and checks all of it before the first record is used.
 *
 * @throws UserError with every fault found (the first 20 in full): bad lines, repeated ids, pairs outside the dialogue,
 * media paths that leave the root, counts that differ from dataset.json; or a missing root, or one without records.
 */
export async function openDataset(root: string): Promise<Dataset> {
  const realRoot = await requireFolder(root);
  const info = await readDatasetInfo(root);
  const bySplit = new Map<Split, readonly JsonlLine<EmtRecord>[]>();
  const problems: Problem[] = [];
  const media = await mediaRootOf(root, info);
  for (const split of SPLITS) {
    const read = await readSplit(root, split);
    if (read === undefined) continue;
    bySplit.set(split, read.lines);
    problems.push(...read.problems);
  }
  problems.push(...(await findProblems({ bySplit, realRoot: media === root ? realRoot : await realpath(media) })));
  // Counts are compared only when nothing else is wrong: a refused line would be reported twice.
  if (problems.length === 0 && info !== undefined) problems.push(...countProblems({ root, info, bySplit }));
  if (problems.length > 0) throw new UserError(capped(problems, root));
  if (![...bySplit.values()].some((lines) => lines.length > 0)) throw noRecords(root);
  const records = new Map([...bySplit].map(([split, lines]) => [split, lines.map(({ value }) => value)] as const));
  const absolute = resolve(root);
  const absoluteMedia = resolve(media);
  return {
    root,
    name: info?.name ?? absolute.split(/[\\/]/).at(-1) ?? root,
    ...(info === undefined ? {} : { info }),
    records: (split) => records.get(split) ?? [],
    mediaPath: (utterance) => ({
      ...(utterance.media?.video === undefined ? {} : { video: join(absoluteMedia, utterance.media.video) }),
      ...(utterance.media?.audio === undefined ? {} : { audio: join(absoluteMedia, utterance.media.audio) }),
    }),
  };
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

async function requireFolder(root: string): Promise<string> {
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

async function readSplit(root: string, split: Split): Promise<Awaited<ReturnType<typeof readJsonl<EmtRecord>>> | undefined> {
  const path = join(root, `${split}.jsonl`);
  const found = await stat(path).catch(() => undefined);
  return found === undefined ? undefined : readJsonl(path, recordSchema);
}

function countProblems({ root, info, bySplit }: { root: string; info: DatasetInfo; bySplit: ReadonlyMap<Split, readonly JsonlLine<EmtRecord>[]> }): Problem[] {
  return SPLITS.flatMap((split) => {
    const expected = info.counts[split];
    const found = bySplit.get(split)?.length ?? 0;
    if (expected === undefined || expected.records === found) return [];
    return [{ kind: "DataError", where: join(root, `${split}.jsonl`), what: `got ${found} records, but dataset.json says ${expected.records}`, hint: "The copy is incomplete or was edited: make it again, or correct dataset.json." }];
  });
}

function capped(problems: readonly Problem[], root: string): readonly Problem[] {
  const hidden = problems.length - SHOWN_PROBLEMS;
  if (hidden <= 0) return problems;
  return [...problems.slice(0, SHOWN_PROBLEMS), { kind: "DataError", where: root, what: `${hidden} more ${hidden === 1 ? "problem" : "problems"} like these, ${problems.length} in all` }];
}

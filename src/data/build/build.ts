/**
 * @file A build: a raw dataset becomes a folder with one JSON line per record, media left where they are. Records stream:
 * what is held is the few at work, the ids that must not repeat and the clips' names.
 */
import { readdir, realpath, rm, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, relative, resolve } from "node:path";
import { UserError } from "../../core/errors.ts";
import { createNameTable } from "../../core/name-table.ts";
import type { Problem } from "../../core/errors.ts";
import { isMissing, toJson, writeFileAtomic } from "../../core/files.ts";
import { rng } from "../../core/rng.ts";
import { knownDefect } from "../converters/known.ts";
import { CONVERTERS } from "../converters/index.ts";
import type { SourceName } from "../converters/index.ts";

import type { ConverterEvent, DraftRecord, DraftUtterance, Notice } from "../converters/converter.ts";
import { openFaces } from "../faces/label-faces.ts";
import type { FaceLabels } from "../faces/label-faces.ts";
import { openJsonlWriter } from "../jsonl.ts";
import type { JsonlWriter } from "../jsonl.ts";
import { inspectClip } from "../probing/inspect-clip.ts";
import { SPLITS } from "../record.ts";
import type { EmtRecord, Split, Utterance } from "../record.ts";
import { limiter, mapInOrder } from "./in-order.ts";
import { openReasons } from "./reasons.ts";
import type { Reasons } from "./reasons.ts";
import type { BuildOptions } from "./options.ts";
import { createCounter, differencesFromPublished } from "./report.ts";
import type { BuildReport } from "./report.ts";

export interface BuildInput {
  readonly source: SourceName;
  readonly root: string;
  /** Folder that media paths are relative to; default: the root. */
  readonly mediaRoot?: string;
  readonly out: string;
  readonly options: BuildOptions;
  readonly signal?: AbortSignal;
  /** After each record. */
  readonly onProgress?: (progress: { readonly records: number }) => void;
}

/** Files of a build; the notices are every one, a line each. */
export const REPORT_FILE = "build-report.json";
export const NOTICES_FILE = "build-notices.jsonl";

/** Records in work at a time: enough to keep the disk busy, few enough to hold. */
const AHEAD = 64;
const SHOWN_FAULTS = 20;

/**
 * Converts a dataset; the result is the report, which is also written beside it. Nothing appears in `out` before all of it is there.
 *
 * @throws UserError - DataError: nothing to convert, no record, an `out` that holds something else, or with
 * `onBad: error` the faults that were found.
 */
export async function buildDataset(input: BuildInput): Promise<BuildReport> {
  const { source, root, mediaRoot = root, out, options, signal, onProgress } = input;
  await requireFolder(root, "--root");
  await requireFolder(mediaRoot, "--media");
  await requireFreeOut(out, root);
  const counter = createCounter();
  const ids = createNameTable();
  const context: RecordContext = {
    realRoot: await realpath(mediaRoot),
    options,
    faces: await openFaces(options.faces),
    reasons: await openReasons(options.reasons),
    gate: limiter(4 * availableParallelism()),
    signal,
  };
  const writers = new Map<Split, JsonlWriter>();
  const notices = await openJsonlWriter(join(out, NOTICES_FILE));
  try {
    const tell = async (entry: Notice): Promise<void> => {
      counter.notice(entry);
      await notices.write(entry);
    };
    let records = 0;
    const events = mapInOrder(CONVERTERS[source]({ root, mediaRoot, options }), AHEAD, (event) => (event.kind === "record" ? finishRecord(event.record, context) : Promise.resolve([event])));
    for await (const batch of events) {
      signal?.throwIfAborted();
      for (const event of batch) {
        if (event.kind === "row") counter.row(event.file, event.refused);
        else if (event.kind === "notice") await tell(event.notice);
        else {
          const names = [event.record.id, ...event.record.utterances.map(({ id }) => `\n${id}`)];
          const repeated = names.find((id) => ids.has(id));
          if (repeated !== undefined) {
            await tell({ kind: "repeated", where: event.where, what: `${repeated.startsWith("\n") ? "utterance" : "record"} id "${repeated.trim()}" is used already; the record is left out` });
            continue;
          }
          for (const id of names) ids.claim(id, 0);
          const writer = writers.get(event.record.split) ?? (await openJsonlWriter(join(out, `${event.record.split}.jsonl`)));
          writers.set(event.record.split, writer);
          counter.record(event.record);
          await writer.write(event.record);
          records += 1;
          onProgress?.({ records });
        }
      }
    }
    const facts = { source, root, mediaRoot, options };
    for (const what of differencesFromPublished(counter.report(facts))) await tell({ kind: "count-differs", where: root, what });
    for (const what of context.reasons.unused()) await tell({ kind: "no-reason", where: options.reasons.file ?? root, what });
    const report = counter.report(facts);
    if (records === 0) throw new UserError({ kind: "DataError", where: root, what: `no record came of this folder${firstFaults(report)}` });
    if (options.onBad === "error") refuseFaults(report);
    await rm(join(out, "dataset.json"), { force: true }); // from here on a cut-short build shows as one
    for (const split of SPLITS.filter((one) => !writers.has(one))) await rm(join(out, `${split}.jsonl`), { force: true });
    for (const writer of writers.values()) await writer.commit();
    await notices.commit();
    await writeFileAtomic(join(out, REPORT_FILE), toJson(report));
    await writeFileAtomic(join(out, "dataset.json"), toJson(datasetInfo(report, out)));
    return report;
  } finally {
    await Promise.all([...writers.values(), notices].map((writer) => writer.discard()));
  }
}

function datasetInfo({ source, mediaRoot, splits }: BuildReport, out: string): Readonly<Record<string, unknown>> {
  const counts = Object.fromEntries(SPLITS.flatMap((split) => (splits[split] === undefined ? [] : [[split, { records: splits[split].records, utterances: splits[split].utterances }]])));
  return { name: source, source, mediaRoot: relative(resolve(out), resolve(mediaRoot)) || ".", counts };
}

interface RecordContext {
  readonly realRoot: string;
  readonly options: BuildOptions;
  readonly faces: FaceLabels;
  readonly reasons: Reasons;
  readonly gate: ReturnType<typeof limiter>;
  readonly signal: AbortSignal | undefined;
}

type FinishedEvent = Exclude<ConverterEvent, { kind: "record" }> | { readonly kind: "record"; readonly record: EmtRecord; readonly where: string };

/** The record with what was found out about its clips and faces, after its notices. */
async function finishRecord({ utterances, where, split, ...record }: DraftRecord, context: RecordContext): Promise<FinishedEvent[]> {
  const finished = await Promise.all(utterances.map((draft) => context.gate(() => finishUtterance(draft, context))));
  return [
    ...finished.flatMap(({ notices }) => notices.map((entry): FinishedEvent => ({ kind: "notice", notice: entry }))),
    { kind: "record", record: { ...record, split: splitOf(record.id, split, context.options), utterances: finished.map(({ utterance }) => utterance) }, where },
  ];
}

function splitOf(id: string, split: Split, { validation }: BuildOptions): Split {
  return split === "train" && validation.share > 0 && rng(validation.seed, "validation", id).uniform() < validation.share ? "val" : split;
}

async function finishUtterance(draft: DraftUtterance, context: RecordContext): Promise<{ readonly utterance: Utterance; readonly notices: readonly Notice[] }> {
  const notices: Notice[] = [];
  const withClip = await placeClip(draft, context, notices);
  const withFace = await context.faces.label({ utterance: withClip, where: draft.where, files: draft.faceFiles }, notices);
  return { utterance: context.reasons.give(withFace, draft.where, notices), notices };
}

async function placeClip({ utterance, where }: DraftUtterance, { realRoot, options, signal }: RecordContext, notices: Notice[]): Promise<Utterance> {
  const { media, ...rest } = utterance;
  const defect = knownDefect(utterance.clip) ?? knownDefect(utterance.id.replace("_", "/"));
  const tell = (kind: Notice["kind"], what: string): void => void notices.push({ kind, where, what: `${utterance.id}: ${what}` });
  if (defect !== undefined) tell("known-defect", defect.what);
  if (media?.video === undefined) return { ...rest, ...(media === undefined ? {} : { media }), mediaStatus: "no-clips" };
  const { status, what } = await inspectClip({ realRoot, path: media.video }, { limits: options.media, probe: options.media.probe, signal });
  if (status !== "ok" && status !== "no-clips") tell(status, `${media.video}: ${what ?? status}`);
  const excluded = options.knownDefects === "text-only" && defect?.concerns === "clip";
  return options.media.use.includes(status) && !excluded ? { ...utterance, mediaStatus: status } : { ...rest, mediaStatus: status };
}

async function requireFolder(path: string, flag: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return;
  throw new UserError({ kind: "DataError", where: path, what: `${flag} ${found === undefined ? "does not exist" : "is a file"}, expected a folder` });
}

/** An earlier build may be replaced; anything else is somebody's work. */
async function requireFreeOut(out: string, root: string): Promise<void> {
  if (resolve(out) === resolve(root)) throw new UserError({ kind: "DataError", where: out, what: "--out is the raw dataset's own folder, expected another one", hint: "Clips are not copied: the new dataset points to where they are." });
  const entries = await readdir(out).catch((error: unknown): string[] => {
    if (isMissing(error)) return [];
    throw new UserError({ kind: "DataError", where: out, what: "--out is not a folder" }, { cause: error });
  });
  if (entries.length === 0 || entries.includes(REPORT_FILE)) return;
  throw new UserError({ kind: "DataError", where: out, what: "--out holds something else than an earlier build", hint: "Name a new folder, or delete this one." });
}

function firstFaults({ notices }: BuildReport): string {
  const faults = Object.entries(notices).filter(([, { severity }]) => severity === "fault");
  // That a split's file is not there is told by every other fault, too.
  const [first] = [...faults.filter(([kind]) => kind !== "missing"), ...faults].flatMap(([, { examples }]) => examples);
  return first === undefined ? "" : `; first fault: ${first.where}: ${first.what}`;
}

function refuseFaults({ notices }: BuildReport): void {
  const faults = Object.entries(notices).filter(([, { severity }]) => severity === "fault");
  const total = faults.reduce((sum, [, { count }]) => sum + count, 0);
  if (total === 0) return;
  const shown = faults.flatMap(([kind, { examples }]) => examples.map((example): Problem => ({ kind: "DataError", where: example.where, what: `${kind}: ${example.what}` }))).slice(0, SHOWN_FAULTS);
  throw new UserError([...shown, { kind: "DataError", where: "m2se data build", what: `${total} faults, and onBad is error: nothing was written` }]);
}


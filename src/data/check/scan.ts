/** @file A dataset read record by record, with everything that is wrong or odd about each. What is held are ids and the clips at work. */
import { realpath, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { unitOf } from "../action-units.ts";
import { limiter, mapInOrder } from "../build/in-order.ts";
import { mediaRootOf } from "../dataset.ts";
import type { DatasetInfo } from "../dataset.ts";
import { streamJsonl } from "../jsonl.ts";
import type { JsonlLine } from "../jsonl.ts";
import { inspectClip } from "../probing/inspect-clip.ts";
import type { ClipFacts, ClipLimits } from "../probing/inspect-clip.ts";
import { recordChecker } from "../problems.ts";
import { recordSchema, SPLITS } from "../record.ts";
import type { EmtRecord, Split, Utterance } from "../record.ts";
import { createDuplicateFinder } from "./duplicates.ts";
import type { Finding } from "./findings.ts";

export interface ScannedRecord {
  readonly split: Split;
  readonly where: string;
  /** The record without what is bad about it; absent when nothing can be kept. */
  readonly clean?: EmtRecord;
  /** The record as it stands; absent when the line is no record. */
  readonly record?: EmtRecord;
  readonly findings: readonly Finding[];
  /** Clips that were looked at. */
  readonly clips: number;
}

export interface ScanOptions {
  readonly root: string;
  readonly info: DatasetInfo | undefined;
  /** `none`: media are not looked at. */
  readonly media: "header" | "none";
  readonly limits: ClipLimits;
  readonly signal?: AbortSignal | undefined;
}

const AHEAD = 64;

/** Held-out splits first, so that of two equal clips the training record is the one that is found. */
const ORDER = [...SPLITS].reverse();

/** Every line of every split; the last items are findings of the dataset as a whole, without a record. */
export async function* scanDataset(options: ScanOptions): AsyncGenerator<ScannedRecord> {
  const { root, info, media, signal } = options;
  const gate = limiter(4 * availableParallelism());
  const realRoot = await realpath(await mediaRootOf(root, info));
  const problemsOf = recordChecker();
  const duplicates = createDuplicateFinder();
  const inspect = (path: string, wants: "video" | "audio"): Promise<ClipFacts> => gate(() => inspectClip({ realRoot, path }, { limits: options.limits, probe: "header", signal, wants }));
  for (const split of ORDER) {
    const path = join(root, `${split}.jsonl`);
    if ((await stat(path).catch(() => undefined)) === undefined) continue;
    let lines = 0;
    const probed = mapInOrder(streamJsonl(path, recordSchema), AHEAD, async (line) => ({ line, facts: "value" in line && media === "header" ? await Promise.all(line.value.utterances.map((utterance) => probeUtterance(utterance, inspect))) : [] }));
    for await (const { line, facts } of probed) {
      signal?.throwIfAborted();
      lines += 1;
      if ("problems" in line) {
        yield { split, where: line.where, findings: line.problems.map(({ where, what }) => ({ kind: "bad-line", where, what })), clips: 0 };
        continue;
      }
      const problems = problemsOf(line, split);
      const found = line.value.utterances.map((utterance, i) => findingsOf(utterance, line, { facts: facts[i] ?? [] }));
      const twice = line.value.utterances.flatMap((utterance, i) => duplicates.look(utterance, { record: line.value, split, where: line.where, fingerprint: facts[i]?.[0]?.fingerprint }));
      const findings: Finding[] = [...problems.map(({ where, what }) => ({ kind: "bad-line" as const, where, what })), ...found.flatMap((one) => one.findings), ...twice];
      const isLost = problems.length > 0 || (split !== "test" && twice.some(({ kind }) => kind === "leak"));
      yield { split, where: line.where, record: line.value, ...(isLost ? {} : { clean: { ...line.value, utterances: found.map(({ clean }) => clean) } }), findings, clips: facts.flat().length };
    }
    const expected = info?.counts[split]?.records;
    if (expected !== undefined && expected !== lines) yield { split, where: path, findings: [{ kind: "count-differs", where: path, what: `got ${lines} records, but dataset.json says ${expected}` }], clips: 0 };
  }
  for (const finding of duplicates.elsewhere()) yield { split: "train", where: finding.where, findings: [finding], clips: 0 };
}

async function probeUtterance({ media }: Utterance, inspect: (path: string, wants: "video" | "audio") => Promise<ClipFacts>): Promise<(ClipFacts & { readonly path: string })[]> {
  const wanted = [...(media?.video === undefined ? [] : [{ path: media.video, wants: "video" as const }]), ...(media?.audio === undefined ? [] : [{ path: media.audio, wants: "audio" as const }])];
  return Promise.all(wanted.map(async ({ path, wants }) => ({ path, ...(await inspect(path, wants)) })));
}

const BAD_MEDIA: readonly string[] = ["no-file", "unreadable", "unsafe-path"];

function findingsOf(utterance: Utterance, { where }: JsonlLine<EmtRecord>, { facts }: { readonly facts: readonly (ClipFacts & { readonly path: string })[] }): { readonly findings: readonly Finding[]; readonly clean: Utterance } {
  const about = (kind: Finding["kind"], what: string): Finding => ({ kind, where, what: `${utterance.id}: ${what}` });
  const hasOwnSound = utterance.media?.audio !== undefined;
  const media = facts.flatMap(({ status, what, path }) => (status === "ok" || status === "no-clips" || (status === "no-audio" && hasOwnSound) ? [] : [about(status, `${path}: ${what ?? status}`)]));
  const bad = facts.find(({ status }) => BAD_MEDIA.includes(status));
  const unknown = utterance.expression?.find((phrase) => unitOf(phrase) === undefined);
  const phrase = unknown === undefined ? [] : [about("unknown-phrase", `expression: "${unknown}" belongs to no action unit`)];
  const tag = /<(?:video|image|audio|img)>|<IMG_CONTEXT>/.exec(utterance.text)?.[0];
  const tags = tag === undefined ? [] : [about("tag-in-text", `the words hold ${tag}, which other programs take for a medium`)];
  const { media: _media, expression: _expression, ...rest } = utterance;
  const clean: Utterance = {
    ...rest,
    ...(bad !== undefined ? { mediaStatus: bad.status } : utterance.media === undefined ? {} : { media: utterance.media }),
    ...(unknown !== undefined || utterance.expression === undefined ? {} : { expression: utterance.expression }),
  };
  return { findings: [...media, ...phrase, ...tags], clean };
}

/** @file Faults that no single field shows: repeated ids, a record in the wrong file, pairs outside the dialogue, media outside the root. */
import { realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import type { Problem } from "../core/errors.ts";
import type { JsonlLine } from "./jsonl.ts";
import { createPlaces } from "./places.ts";
import type { Place, Places } from "./places.ts";
import { pathFault } from "./probing/inspect-clip.ts";
import type { EmtRecord, Split } from "./record.ts";

/** Finds the faults of records that come one after another, but for those of their media paths; it remembers their ids. */
export function recordChecker(): (line: JsonlLine<EmtRecord>, split: Split) => Problem[] {
  const records = createPlaces();
  const utterances = createPlaces();
  return ({ value: record, where }, split) => [
    ...(record.split === split ? [] : [{ kind: "DataError" as const, where, what: `record "${record.id}", split: got "${record.split}", expected "${split}"`, hint: "A record stands in the file of its split." }]),
    ...repeated({ ids: [record.id], seen: records, place: { split, where }, noun: "record" }),
    ...repeated({ ids: record.utterances.map(({ id }) => id), seen: utterances, place: { split, where }, noun: "utterance" }),
    ...pairProblems(record, where),
  ];
}

function repeated({ ids, seen, place, noun }: { readonly ids: readonly string[]; readonly seen: Places; readonly place: Place; readonly noun: string }): Problem[] {
  return ids.flatMap((id) => {
    const first = seen.claim(id, place);
    return first === undefined ? [] : [{ kind: "DataError", where: place.where, what: `${noun} id "${id}" is used twice, first in ${first.where}`, hint: "Ids are unique in the whole dataset: the same clip in two splits would leak the test set." }];
  });
}

function pairProblems(record: EmtRecord, where: string): Problem[] {
  const count = record.utterances.length;
  const outside = (record.targets ?? []).filter((target) => target > count).map((target) => ({ kind: "DataError" as const, where, what: `record "${record.id}", targets: got ${target}, expected a number from 1 to ${count}` }));
  const pairs = (record.pairs ?? []).flatMap((pair, index) =>
    (["emotionUtterance", "causeUtterance"] as const)
      .filter((end) => pair[end] > count)
      .map((end) => ({ kind: "DataError" as const, where, what: `record "${record.id}", pairs[${index}].${end}: got ${pair[end]}, expected a number from 1 to ${count}` })),
  );
  return [...outside, ...pairs];
}

/** Media paths that lead out of `realRoot`, the root with symbolic links resolved. */
export async function mediaProblems({ value: record, where }: JsonlLine<EmtRecord>, realRoot: string): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const [index, { media }] of record.utterances.entries()) {
    for (const kind of ["video", "audio"] as const) {
      const path = media?.[kind];
      if (path === undefined) continue;
      const fault = await linkFault(path, realRoot);
      if (fault !== undefined) {
        problems.push({ kind: "DataError", where, what: `record "${record.id}", utterances[${index}].media.${kind}: ${fault}`, hint: "Media live under the dataset's root; give a relative path with forward slashes." });
      }
    }
  }
  return problems;
}

/** Why a media path may not be opened, or undefined. A file that does not exist is the decoder's business. */
async function linkFault(path: string, realRoot: string): Promise<string | undefined> {
  const fault = pathFault(path);
  if (fault !== undefined) return fault;
  const real = await realpath(join(realRoot, path)).catch(() => undefined);
  if (real !== undefined && !real.startsWith(realRoot + sep)) return `"${path}" is a link that leaves the dataset's root`;
  return undefined;
}

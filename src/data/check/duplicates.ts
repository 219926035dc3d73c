/** @file The same clip twice: in two splits it leaks, in one it merely counts double. Told by the clip's name and by its bytes. */
import type { EmtRecord, Split, Utterance } from "../record.ts";
import { SPLITS } from "../record.ts";
import { createPlaces } from "../places.ts";
import type { Finding } from "./findings.ts";

export interface DuplicateFinder {
  /** Findings of an utterance against all before it; `fingerprint` is that of its clip's bytes. */
  look(utterance: Utterance, place: { readonly record: EmtRecord; readonly split: Split; readonly where: string; readonly fingerprint: string | undefined }): Finding[];
  /** After the last record: clips that belong to another split of the dataset they were taken from. */
  elsewhere(): Finding[];
}

/** Splits are to be looked at with the held-out ones first: then it is the training record that is found. */
export function createDuplicateFinder(): DuplicateFinder {
  const names = createPlaces();
  const bytes = createPlaces();
  const foreign = new Map<string, { readonly where: string; count: number }>();
  let unmappedEcf: string | undefined;
  let mapped = 0;
  return {
    look: (utterance, { record, split, where, fingerprint }) => {
      const { clip } = utterance;
      const [source, home] = clip?.split("/") ?? [];
      if (source === "meld" && record.source === "ecf") mapped += 1;
      if (record.source === "ecf" && split === "train" && source === "ecf") unmappedEcf ??= where.slice(0, where.lastIndexOf(":"));
      const homeSplit = SPLITS.find((one) => one === home);
      if (source !== undefined && homeSplit !== undefined && homeSplit !== split && split === "train") {
        const key = `${source} ${homeSplit}`;
        const entry = foreign.get(key) ?? { where: where.slice(0, where.lastIndexOf(":")), count: 0 };
        entry.count += 1;
        foreign.set(key, entry);
      }
      const first = clip === undefined ? undefined : names.claim(clip, { split, where });
      const twin = fingerprint === undefined ? undefined : bytes.claim(fingerprint, { split, where });
      if (first !== undefined) return [found({ first, split, where, name: `the clip ${clip ?? ""}` })];
      return twin === undefined ? [] : [found({ first: twin, split, where, name: `the file of ${utterance.id}` })];
    },
    elsewhere: () => [
      ...[...foreign].map(([key, { where, count }]): Finding => {
        const [source = "", home = ""] = key.split(" ");
        const name = source.toUpperCase();
        return { kind: "leak-elsewhere", where, what: `${count} utterances are of ${name}'s ${home} split: a model trained on them must not be evaluated on ${name}'s ${home} split` };
      }),
      ...(unmappedEcf === undefined || mapped > 0
        ? []
        : [{ kind: "leak-elsewhere" as const, where: unmappedEcf, what: "ECF's training set holds 2535 utterances of MELD's test split and 1078 of its dev split; this dataset was built without the mapping, so which ones cannot be told: do not evaluate on MELD what was trained on it" }]),
    ],
  };
}

function found({ first, split, where, name }: { readonly first: { readonly split: Split; readonly where: string }; readonly split: Split; readonly where: string; readonly name: string }): Finding {
  if (first.split === split) return { kind: "duplicate", where, what: `${name} is used already in ${first.where}` };
  return { kind: "leak", where, what: `${name} is in the ${split} split here and in the ${first.split} split in ${first.where}` };
}

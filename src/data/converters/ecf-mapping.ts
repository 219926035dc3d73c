/** @file The official mapping from ECF 1.0's utterances (ECF 2.0's training set) to MELD's clips, all_data_pair_ECFvsMELD.txt. */
import { detectEncoding, textLines } from "../files/text-file.ts";
import { notice } from "./converter.ts";
import type { ConverterEvent } from "./converter.ts";
import { readSplit } from "./words.ts";

export interface EcfMapping {
  readonly notices: readonly ConverterEvent[];
  /** MELD's name of an utterance (`dia3utt1`), as in `Utterance.clip`: `meld/train/dia152_utt0`; undefined when it has none. */
  clipOf(utterance: string): string | undefined;
}

/** Reads the whole mapping: 13,389 names, a few megabytes. */
export async function readEcfMapping(path: string): Promise<EcfMapping> {
  const clips = new Map<string, string>();
  const notices: ConverterEvent[] = [];
  let current: { readonly id: string; readonly size: number; seen: number } | undefined;
  let number = 0;
  const tell = (what: string): void => void notices.push(notice("bad-row", `${path}:${number}`, what));
  const finish = (): void => {
    if (current !== undefined && current.seen < current.size) tell(`conversation ${current.id} ends after ${current.seen} of ${current.size} utterances: which of the others are MELD's cannot be told`);
  };
  for await (const line of textLines(path, await detectEncoding(path))) {
    number += 1;
    const [, id, size] = /^(\d+) (\d+)\s*$/.exec(line) ?? [];
    if (id !== undefined) {
      finish();
      current = { id, size: Number(size), seen: 0 };
      continue;
    }
    if (/^\s*(?:\(|$)/.test(line)) continue; // the pairs; an empty line when there are none
    const [, utterance, clip = ""] = /^(\d+) \| .*\|\s*(\S*)\s*$/.exec(line) ?? [];
    if (utterance === undefined || current === undefined) {
      tell(`got ${JSON.stringify(line.slice(0, 60))}, expected a conversation's number and length, its pairs, or an utterance`);
      continue;
    }
    current.seen += 1;
    const [, word = "", key] = /^([a-z]+)_(dia\d+_utt\d+)$/.exec(clip) ?? [];
    const split = readSplit(word);
    if (clip !== "" && (key === undefined || split === undefined)) tell(`got the clip "${clip}", expected a name such as train_dia152_utt0`);
    else if (key !== undefined && split !== undefined) clips.set(`dia${current.id}utt${utterance}`, `meld/${split.value}/${key}`);
  }
  finish();
  return { notices, clipOf: (utterance) => clips.get(utterance) };
}

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
  let conversation: string | undefined;
  let left = 0;
  let number = 0;
  for await (const line of textLines(path, await detectEncoding(path))) {
    number += 1;
    const [, id, count] = /^(\d+) (\d+)\s*$/.exec(line) ?? [];
    if (left <= 0 && id !== undefined) {
      conversation = id;
      left = Number(count) + 1; // the line of pairs comes first, and is empty when there are none
      continue;
    }
    if (left <= 0) {
      if (line.trim() !== "") notices.push(notice("bad-row", `${path}:${number}`, `got ${JSON.stringify(line.slice(0, 60))}, expected a conversation's number and length`));
      continue;
    }
    left -= 1;
    const [, utterance, clip = ""] = /^(\d+) \| .*\|\s*(\S*)\s*$/.exec(line) ?? [];
    if (utterance === undefined || clip === "") continue;
    const [, word = "", key] = /^([a-z]+)_(dia\d+_utt\d+)$/.exec(clip) ?? [];
    const split = readSplit(word);
    if (key === undefined || split === undefined) notices.push(notice("bad-row", `${path}:${number}`, `got the clip "${clip}", expected a name such as train_dia152_utt0`));
    else clips.set(`dia${conversation ?? ""}utt${utterance}`, `meld/${split.value}/${key}`);
  }
  return { notices, clipOf: (utterance) => clips.get(utterance) };
}

/** @file What the ids of different formats have in common: the dialogue and the utterance. */

/** `dia{D}_utt{U}` of MELD's and ECF's names, wherever it stands in an id; undefined for other ids. */
export function dialogueKey(id: string): string | undefined {
  const parts = dialogueParts(id);
  return parts === undefined ? undefined : utteranceId(parts.dialogue, parts.utterance);
}

/** What ids of one sample have in common in different files: dialogue and utterance, or MMSA's `video$_$clip`, which others write `video_clip` or `video/clip`. */
export function sampleKey(id: string): string {
  return dialogueKey(id) ?? id.replace(/^mosei_(?=.+\$_\$)/, "").replace(/\$_\$|\/(?=[^/]*$)/, "_");
}

export function utteranceId(dialogue: number, utterance: number): string {
  return `dia${dialogue}_utt${utterance}`;
}

/** The numbers in `dia1375utt3`, `test_dia0_utt12`, `ecf/dia7-utt1:ecpe`. */
export function dialogueParts(id: string): { readonly dialogue: number; readonly utterance: number } | undefined {
  const [, dialogue, utterance] = /(?:^|[^a-z])dia(\d{1,9})[_-]?utt(\d{1,9})(?!\d)/i.exec(id) ?? [];
  return dialogue === undefined || utterance === undefined ? undefined : { dialogue: Number(dialogue), utterance: Number(utterance) };
}

/** How ids of nested samples look, and what they are nested in. */
const NESTINGS = [
  { unit: "dialogue", pattern: /^(.*?)[_-]?utt\d+$/i },
  { unit: "video", pattern: /^(.+)\$_\$[^$]*$/ },
] as const;

/**
 * The unit of every row for resampling, and the word for it: utterances belong to their dialogue (`dia3_utt1`), segments
 * to their video (`video$_$clip`). When any id tells none, all rows stand for themselves.
 */
export function unitsOfIds(ids: readonly (string | undefined)[]): { readonly units: readonly string[]; readonly unit: string } {
  for (const { unit, pattern } of NESTINGS) {
    const units = ids.flatMap((id) => pattern.exec(id ?? "")?.[1] ?? []);
    if (units.length > 0 && units.length === ids.length) return { units, unit };
  }
  return { units: ids.map((_, i) => `row ${i}`), unit: "row" };
}

/**
 * @file A part of a conversation around a target, numbered anew: what stands one turn before the target has the same number
 * in every prompt, so that a small model learns it once and not for every number.
 */
import type { EmtRecord, Utterance } from "../data/record.ts";
import { parsePairs, renderPairs } from "./cause-answer.ts";
import { text, turnParts } from "./prompt.ts";
import type { TurnWindow } from "./prompt-form.ts";
import type { Part } from "./task.ts";

export interface Shown {
  /** The turns, a line each. */
  readonly parts: readonly Part[];
  /** The target's number in the prompt. */
  readonly number: number;
  /** A turn's number in the conversation, less that in the prompt. */
  readonly shift: number;
  readonly shows: (turn: number) => boolean;
}

/** The turns around turn `target` of a record, counted from 1. */
export function excerptAround({ utterances }: EmtRecord, target: number, { before, after, show = "words" }: TurnWindow, markOf: (utterance: Utterance) => string): Shown {
  const number = before + 1;
  const shift = target - number;
  const first = Math.max(1, target - before);
  const last = target + after;
  const asking = utterances[target - 1]?.speaker;
  const parts = utterances.slice(first - 1, last).flatMap((utterance, i) => {
    const label = { number: first + i - shift, mark: markOf(utterance) };
    return [...(show === "outline" ? [outlinePart(utterance, { ...label, asking })] : turnParts(utterance, label)), text("\n")];
  });
  return { parts, number, shift, shows: (turn) => turn >= first && turn <= last };
}

/**
 * What a turn is, without its words: `{number}{mark}. {length} {same | other}`, the last for whether the target's speaker says it, where both are known.
 * Where causes stand depends on how long turns are and whose; a small decoder learns neither to count words nor to compare names.
 */
function outlinePart({ text: transcript, speaker }: Utterance, { number, mark, asking }: { readonly number: number; readonly mark: string; readonly asking: string | undefined }): Part {
  const who = speaker === undefined || asking === undefined ? "" : speaker === asking ? " same" : " other";
  return text(`${number}${mark}. ${lengthLetter(transcript)}${who}`);
}

const LETTERS = "ABCDEFG";

/** A letter for the number of words: none, 1, 2, 3 to 5, 6 to 9, 10 to 14, more; each class about 1.6 times the last. */
function lengthLetter(transcript: string): string {
  const words = transcript.split(/\s+/).filter((word) => word !== "").length;
  return LETTERS[Math.min(LETTERS.length - 1, Math.floor(1.5 * Math.log2(words + 1)))] ?? "";
}

/** The answer with `shift` added to the numbers of its turns, 0 for one before the first; one that cannot be read stays as it is. */
export function shiftPairs(answer: string, shift: number): string {
  const pairs = parsePairs(answer);
  const shifted = (turn: number): number => Math.max(0, turn + shift);
  return pairs === undefined ? answer : renderPairs(pairs.map(({ emotionUtterance, emotion, causeUtterance }) => ({ emotionUtterance: shifted(emotionUtterance), emotion, causeUtterance: shifted(causeUtterance) })));
}

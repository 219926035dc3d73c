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
export function excerptAround({ utterances }: EmtRecord, target: number, { before, after }: TurnWindow, markOf: (utterance: Utterance) => string): Shown {
  const number = before + 1;
  const shift = target - number;
  const first = Math.max(1, target - before);
  const last = target + after;
  const parts = utterances.slice(first - 1, last).flatMap((utterance, i) => [...turnParts(utterance, { number: first + i - shift, mark: markOf(utterance) }), text("\n")]);
  return { parts, number, shift, shows: (turn) => turn >= first && turn <= last };
}

/** The answer with `shift` added to the numbers of its turns, 0 for one before the first; one that cannot be read stays as it is. */
export function shiftPairs(answer: string, shift: number): string {
  const pairs = parsePairs(answer);
  const shifted = (turn: number): number => Math.max(0, turn + shift);
  return pairs === undefined ? answer : renderPairs(pairs.map(({ emotionUtterance, emotion, causeUtterance }) => ({ emotionUtterance: shifted(emotionUtterance), emotion, causeUtterance: shifted(causeUtterance) })));
}

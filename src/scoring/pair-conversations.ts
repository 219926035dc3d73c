/** @file Conversations with their emotion-cause pairs, read as the official program of SemEval-2024 task 3 reads them. */
import type { Problem } from "../core/errors.ts";
import { EMOTIONS } from "../data/record.ts";
import type { EmotionPair } from "../metrics/pairs.ts";
import type { Conversation } from "./answer-file.ts";

export interface PairConversation {
  readonly where: string;
  readonly id: number;
  readonly pairs: readonly EmotionPair[];
  /** Pairs that could not be read and are not in `pairs`. */
  readonly unread: number;
  readonly utterances: Conversation["utterances"];
}

/** What the official program would end with, in its own words where it has some. */
export type Refusal = Problem;

/** The conversations in file order and everything that the official program refuses about them. */
export function readPairConversations(conversations: readonly Conversation[]): { readonly conversations: readonly PairConversation[]; readonly refusals: readonly Refusal[] } {
  const refusals: Refusal[] = [];
  const refuse = (where: string, what: string): void => {
    refusals.push({ kind: "DataError", where, what });
  };
  const seen = new Map<number, string>();
  const read = conversations.flatMap((conversation): PairConversation[] => {
    const { where, id: written, pairs, utterances } = conversation;
    const id = wholeNumber(written);
    if (id === undefined) {
      refuse(where, `got the conversation_ID ${JSON.stringify(written)}, expected a whole number`);
      return [];
    }
    const before = seen.get(id);
    if (before !== undefined) refuse(where, `conversation ${id} is there twice, first in ${before} (the official program: "Instance repeat!")`);
    seen.set(id, where);
    if (pairs === undefined) refuse(where, `conversation ${id} has no pairs (the official program: "Cannot find the key 'emotion-cause_pairs'!")`);
    else if (!Array.isArray(pairs)) refuse(where, `the emotion-cause_pairs of conversation ${id} are no list`);
    const list: readonly unknown[] = Array.isArray(pairs) ? pairs : [];
    const results = list.map(readPair);
    for (const result of results) if (typeof result === "string") refuse(where, `conversation ${id}: ${result}`);
    const good = results.filter((result) => typeof result !== "string");
    return [{ where, id, pairs: good, unread: results.length - good.length, utterances }];
  });
  return { conversations: read, refusals };
}

/** The pair, or what is wrong with it. `["U3_joy", 1]` is fine, as for the official program. */
function readPair(pair: unknown): EmotionPair | string {
  const shown = JSON.stringify(pair);
  if (!Array.isArray(pair) || pair.length !== 2) return `got the pair ${shown}, expected ["<utterance>_<emotion>", "<cause utterance>"]`;
  const parts: readonly unknown[] = pair;
  const [head, tail] = parts;
  const words = typeof head === "string" ? head.split("_") : [];
  if (words.length !== 2) return `got the pair ${shown}, whose first part is no <utterance>_<emotion>`;
  const emotion = EMOTIONS.find((name) => name === words[1]);
  if (emotion === undefined) return `got the pair ${shown}, whose emotion is none of ${EMOTIONS.join(", ")} in lower case (the official program: "Unknown emotion category!")`;
  const emotionUtterance = wholeNumber(words[0]?.replaceAll("U", ""));
  const causeUtterance = wholeNumber(tail);
  if (emotionUtterance === undefined || causeUtterance === undefined) return `got the pair ${shown}, in which ${emotionUtterance === undefined ? "the emotion's" : "the cause's"} utterance is no whole number`;
  return { emotionUtterance, emotion, causeUtterance };
}

/** What Python's int() takes: a whole number, or a text that is one. */
function wholeNumber(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : undefined;
  return typeof value === "string" && /^\s*[+-]?\d{1,15}\s*$/.test(value) ? Number(value) : undefined;
}

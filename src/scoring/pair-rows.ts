/** @file Emotion-cause pairs from conversations to rows (one per target utterance, the paper's form) and back. */
import { UserError } from "../core/errors.ts";
import type { EmotionPair } from "../metrics/pairs.ts";
import { parsePairs } from "../tasks/cause-answer.ts";
import type { Answer } from "./answer-file.ts";
import type { Alignment, Aligned, AlignedRow } from "./align.ts";
import { counted, NOTHING_AMISS } from "./align.ts";
import type { PairConversation } from "./pair-conversations.ts";
import { dialogueParts, utteranceId } from "./sample-ids.ts";

/** `5_surprise,2`, the paper's form of a pair. */
export function pieceOf({ emotionUtterance, emotion, causeUtterance }: EmotionPair): string {
  return `${emotionUtterance}_${emotion},${causeUtterance}`;
}

const NO_CAUSE = "None.";

/** What m2se writes where the paper has an empty answer. */
export function isNoCause(answer: string): boolean {
  return ["", "none"].includes(answer.trim().replace(/\.$/, "").toLowerCase());
}

/**
 * A row per utterance whose causes are asked for: every non-neutral one, its pairs in the order of the file. Without
 * emotions in the file, those that have a pair.
 */
export function goldRows(conversations: readonly PairConversation[]): readonly (Answer & { readonly gold: string })[] {
  return conversations.flatMap(({ id, where, pairs, utterances }) => {
    const named = utterances.filter(({ emotion }) => emotion !== undefined && emotion !== "neutral").map(({ number }) => number);
    const targets = named.length > 0 ? named : [...new Set(pairs.map(({ emotionUtterance }) => emotionUtterance))].sort((a, b) => a - b);
    return targets.map((target) => ({ where, id: utteranceId(id, target), gold: answerOf(pairs, target) }));
  });
}

/** The predicted pairs of every target; a conversation that is not there has no prediction for any. */
export function alignConversations(gold: readonly Answer[], predictions: readonly PairConversation[]): Aligned {
  const pairsById = new Map<number, readonly EmotionPair[]>();
  for (const { id, pairs } of predictions) pairsById.set(id, [...(pairsById.get(id) ?? []), ...pairs]);
  const missing: string[] = [];
  const targets = new Set<string>();
  const rows = gold.map(({ where, id = "", gold: right = "" }): AlignedRow => {
    const parts = conversationOf({ where, id });
    const pairs = pairsById.get(parts.dialogue);
    if (pairs === undefined) missing.push(id);
    targets.add(utteranceId(parts.dialogue, parts.utterance));
    return { where, id, gold: right, response: pairs === undefined ? undefined : answerOf(pairs, parts.utterance) || NO_CAUSE };
  });
  const others = [...pairsById].flatMap(([id, pairs]) => pairs.map(({ emotionUtterance }) => utteranceId(id, emotionUtterance)));
  const alignment: Alignment = { by: "name", ...NOTHING_AMISS, missing: counted(missing), superfluous: counted([...new Set(others)].filter((id) => !targets.has(id))) };
  return { rows, alignment };
}

/** Rows gathered to the conversations that their ids name; `unread` counts answers that break the grammar. */
export function toConversations(rows: readonly { readonly where: string; readonly id?: string; readonly answer: string | undefined }[]): readonly PairConversation[] {
  const byId = new Map<number, { where: string; pairs: EmotionPair[]; unread: number }>();
  for (const { where, id, answer } of rows) {
    const { dialogue } = conversationOf({ where, ...(id === undefined ? {} : { id }) });
    const conversation = byId.get(dialogue) ?? { where, pairs: [], unread: 0 };
    byId.set(dialogue, conversation);
    if (answer === undefined || isNoCause(answer)) continue;
    const pairs = parsePairs(answer);
    if (pairs === undefined) conversation.unread += 1;
    else conversation.pairs.push(...pairs);
  }
  return [...byId].map(([id, conversation]) => ({ id, utterances: [], ...conversation }));
}

function answerOf(pairs: readonly EmotionPair[], target: number): string {
  return pairs.filter(({ emotionUtterance }) => emotionUtterance === target).map(pieceOf).join(";");
}

/** @throws UserError when the id does not tell the conversation. */
function conversationOf({ where, id }: { readonly where: string; readonly id?: string }): { readonly dialogue: number; readonly utterance: number } {
  const parts = id === undefined ? undefined : dialogueParts(id);
  if (parts !== undefined) return parts;
  throw new UserError({ kind: "DataError", where, what: `${id === undefined ? "this row has no id or clip name" : `got the id "${id}"`}, expected one that names conversation and utterance, such as dia1375utt3`, hint: "Pairs are compared conversation by conversation." });
}

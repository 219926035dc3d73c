/** @file A submission to SemEval-2024 task 3, subtask 2: the organisers' conversations with our pairs, zipped as they ask. */
import { UserError } from "../core/errors.ts";
import type { AnswerFile, Conversation } from "./answer-file.ts";
import { readPairConversations } from "./pair-conversations.ts";
import type { PairConversation } from "./pair-conversations.ts";
import { toConversations } from "./pair-rows.ts";
import { zipFiles } from "./zip.ts";

/** The name that the organisers' program looks for. */
const NAME = "Subtask_2_pred.json";

export interface Submission {
  readonly zip: Buffer;
  readonly conversations: number;
  readonly pairs: number;
  /** Conversations without a prediction; they are written with no pair, because the official program refuses a file that lacks them. */
  readonly empty: number;
}

/**
 * @param conversations - the organisers' file, labelled or not; its emotions are left out of what is written.
 * @throws UserError when that file is of another format, or predicted pairs cannot be read.
 */
export function buildSubmission(conversations: AnswerFile, predictions: AnswerFile): Submission {
  if (conversations.kind !== "conversations") {
    throw new UserError({ kind: "ConfigError", where: "--submission", what: `${conversations.path} is no file of conversations (${conversations.format})`, hint: "Name the organisers' JSON file as --gold: its conversations are part of a submission." });
  }
  const byId = new Map<number, PairConversation>(predictedConversations(predictions).map((conversation) => [conversation.id, conversation]));
  let pairs = 0;
  let empty = 0;
  const items = conversations.conversations.map((conversation) => {
    const predicted = byId.get(Number(conversation.id));
    if (predicted === undefined) empty += 1;
    const written = [...new Set((predicted?.pairs ?? []).map(({ emotionUtterance, emotion, causeUtterance }) => `${emotionUtterance}_${emotion},${causeUtterance}`))].map((pair) => pair.split(","));
    pairs += written.length;
    return { ...withoutLabels(conversation), "emotion-cause_pairs": written };
  });
  return { zip: zipFiles([{ name: NAME, content: Buffer.from(toAscii(JSON.stringify(items, null, 4)), "ascii") }]), conversations: items.length, pairs, empty };
}

function predictedConversations(predictions: AnswerFile): readonly PairConversation[] {
  if (predictions.kind === "rows") return toConversations(predictions.rows.map(({ where, id, response }) => ({ where, ...(id === undefined ? {} : { id }), answer: response })));
  if (predictions.kind !== "conversations") throw new UserError({ kind: "DataError", where: predictions.path, what: "these are no predictions" });
  const { conversations, refusals } = readPairConversations(predictions.conversations);
  if (refusals.length > 0) throw new UserError(refusals);
  return conversations;
}

/** The conversation as participants got it. */
function withoutLabels({ source }: Conversation): Readonly<Record<string, unknown>> {
  const { "emotion-cause_pairs": _, conversation, ...rest } = source;
  if (!Array.isArray(conversation)) return rest;
  const utterances: readonly unknown[] = conversation;
  return { ...rest, conversation: utterances.map((utterance) => (typeof utterance === "object" && utterance !== null ? Object.fromEntries(Object.entries(utterance).filter(([key]) => key !== "emotion")) : utterance)) };
}

/** As the organisers' files are written: everything beyond ASCII as \u escapes. */
function toAscii(json: string): string {
  return json.replace(/[\u007f-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/**
 * @file The prompts of the paper's EMT/AMT files, as text: what the authors' released test rows hold, byte for byte. The
 * tasks' own prompts say the same in another order (prefix first); this form is for files that other programs read.
 */
import { EMOTIONS } from "../record.ts";
import type { Emotion, EmtRecord, Utterance } from "../record.ts";

/** A row's question and answer. */
export interface PaperTurn {
  readonly query: string;
  readonly response: string;
}

export const CLIP_TASKS = ["msa", "erc", "fer", "eri"] as const;
export type ClipTask = (typeof CLIP_TASKS)[number];

/** FER's identifier is unknown; `<expression>` is ours. */
export const IDENTIFIERS = { msa: "<sentiment>", erc: "<emotion>", fer: "<expression>", eri: "<reason>" } as const satisfies Record<ClipTask, string>;

const INSTRUCTIONS = {
  msa: "Please determine which sentiment label in the video represents: positive or negative.",
  erc: "Please determine which emotion label in the video represents: anger, sadness, surprise, disgust, joy, neutral or fear.",
  fer: "Detail the facial expressions used in the image.",
  eri: "What is the emotional state of the person in the video? Please tell me the reason.",
} as const satisfies Record<ClipTask, string>;

/** MOSEI's rows say happy where MELD's say joy. */
const MOSEI_EMOTIONS = "Please determine which emotion label in the video represents: anger, sad, surprise, disgust, happy, neutral or fear.";

/** The row of a clip task; undefined when the utterance lacks its label (a neutral sentiment is no answer of the task). */
export function clipTurn(task: ClipTask, utterance: Utterance, source: string): PaperTurn | undefined {
  const response = clipResponse(task, utterance, source);
  if (response === undefined) return undefined;
  const instruction = task === "erc" && source === "mosei" ? MOSEI_EMOTIONS : INSTRUCTIONS[task];
  return { query: `The person says: '${utterance.text}' ${IDENTIFIERS[task]} ${instruction}`, response };
}

function clipResponse(task: ClipTask, { sentiment, emotion, expression, reason }: Utterance, source: string): string | undefined {
  switch (task) {
    case "msa":
      return sentiment === undefined || sentiment.polarity === "neutral" ? undefined : label(sentiment.polarity);
    case "erc":
      return emotion === undefined ? undefined : label(source === "mosei" && emotion === "joy" ? "happy" : emotion);
    case "fer":
      return expression === undefined || expression.length === 0 ? undefined : expression.join("; ");
    case "eri":
      return reason;
    default:
      return task satisfies never;
  }
}

function label(word: string): string {
  return `${word.charAt(0).toUpperCase()}${word.slice(1)}.`;
}

/** ECPE's row for utterance `target` (from 1); undefined for a neutral one, and for records without annotated pairs. The pairs keep their order. */
export function causeTurn({ utterances, pairs, targets }: EmtRecord, target: number): PaperTurn | undefined {
  const emotion = utterances[target - 1]?.emotion;
  if (pairs === undefined || emotion === undefined || emotion === "neutral" || targets?.includes(target) === false) return undefined;
  const lines = utterances.map((utterance, i) => conversationLine(utterance, i + 1));
  const causes = pairs.filter(({ emotionUtterance }) => emotionUtterance === target);
  return {
    query: [
      "Below is a conversation containing multiple utterances from different speakers, ",
      "along with the corresponding emotion label for each utterance. ",
      "Your task is to identify the indices of the candidate utterances that elicited the emotion in the target utterance.",
      `${CONVERSATION}${lines.join("\n")}`,
      `${CANDIDATES}${lines.slice(0, target - 1).join("\n")}`,
      `${TARGET}${lines[target - 1] ?? ""}`,
      'You need to return the answer as, for example, "3_surprise,1", ',
      "which means that the emotion of surprise in the third sentence is related to the first sentence, ",
      "and if the emotion is related to more than one sentence, separate the sentences with “;”.",
      "The emotion-cause indices of the target utterance are:",
    ].join("\n"),
    response: causes.map(({ causeUtterance }) => `${target}_${emotion},${causeUtterance}`).join(";"),
  };
}

const CONVERSATION = "Input conversation:";
const CANDIDATES = "Candidate utterances:";
const TARGET = "Target utterance:";

/** `3_joy. Monica: Hi .` */
function conversationLine({ emotion, speaker, text }: Utterance, number: number): string {
  return `${number}_${emotion ?? "neutral"}. ${speaker === undefined ? "" : `${speaker}: `}${text}`;
}

export type PaperPrompt =
  | { readonly kind: "clip"; readonly task: ClipTask; /** What the person says; absent in a prompt without it. */ readonly text?: string }
  | { readonly kind: "causes"; /** Lines of the conversation as written. */ readonly lines: readonly ConversationLine[]; readonly target: number };

export interface ConversationLine {
  readonly emotion: string;
  readonly speaker?: string;
  readonly text: string;
}

/** What a prompt asks, by its identifier, else by its wording; undefined for a prompt of no known task. */
export function readPrompt(written: string): PaperPrompt | undefined {
  const query = written.replaceAll("\r\n", "\n");
  const conversation = readConversation(query);
  if (conversation !== undefined) return conversation;
  const [, said, rest = query] = /^The person(?: in (?:the )?video)? says: ?'([\s\S]*)' ?([\s\S]*)$/.exec(query) ?? [];
  const task = CLIP_TASKS.find((name) => rest.includes(IDENTIFIERS[name])) ?? CLIP_TASKS.find((name) => WORDINGS[name].test(rest));
  return task === undefined ? undefined : { kind: "clip", task, ...(said === undefined ? {} : { text: said }) };
}

/** Words by which a question without identifier is known; Emotion-LLaMA's pools, of which the paper's templates are taken, included. */
const WORDINGS: Readonly<Record<ClipTask, RegExp>> = {
  msa: /sentiment label|positive or negative/i,
  erc: /emotion label (?:in the video )?represents|which emotion|specific emotion portrayed|displayed emotion|emotion evident|emotional state shown/i,
  fer: /facial expressions? used|details of the expression|expressions? (?:and tone )?(?:used|captured|featured)|outline the facial/i,
  eri: /tell me the reason|reason out|emotional state of the person|infer the emotional category|emotion-related features|which emotion does this reflect/i,
};

function readConversation(query: string): PaperPrompt | undefined {
  const [, conversation, target] = /(?:^|\n)Input conversation:([\s\S]*?)\nCandidate utterances:[\s\S]*?\nTarget utterance:(\d+)_/.exec(query) ?? [];
  if (conversation === undefined || target === undefined) return undefined;
  const lines: ConversationLine[] = [];
  for (const line of conversation.split("\n")) {
    const [, number, emotion, rest = ""] = /^(\d+)_([A-Za-z]+)\. ?([\s\S]*)$/.exec(line) ?? [];
    if (emotion === undefined || Number(number) !== lines.length + 1) return undefined;
    const [, speaker, text = rest] = /^([^:]{1,60}): ?([\s\S]*)$/.exec(rest) ?? [];
    lines.push({ emotion, ...(speaker === undefined ? {} : { speaker }), text });
  }
  return Number(target) >= 1 && Number(target) <= lines.length ? { kind: "causes", lines, target: Number(target) } : undefined;
}

/** The causes that a response to an ECPE prompt lists, in its order; undefined when a piece breaks the form. Empty and `None.` list none. */
export function readCauses(response: string, target: number): readonly number[] | undefined {
  const answer = response.trim().replace(/\.$/, "");
  if (answer === "" || answer.toLowerCase() === "none") return [];
  const causes = answer.split(/[;；]/).map((piece) => {
    const [, number, word = "", cause] = /^\s*(\d+)_([A-Za-z]+)\s*,\s*(\d+)\s*$/.exec(piece) ?? [];
    const isEmotion = EMOTIONS.some((emotion: Emotion) => emotion === word.toLowerCase());
    return Number(number) === target && isEmotion ? Number(cause) : undefined;
  });
  return causes.every((cause) => cause !== undefined) ? causes : undefined;
}

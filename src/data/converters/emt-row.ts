/** @file One ms-swift row as labels of a clip or of a conversation's target. */
import { unitOf } from "../action-units.ts";
import { readCauses, readPrompt } from "../emt/paper-prompts.ts";
import type { ClipTask, ConversationLine, PaperPrompt } from "../emt/paper-prompts.ts";
import type { SwiftRow } from "../emt/swift-row.ts";
import type { Emotion, Utterance } from "../record.ts";
import { notice } from "./converter.ts";
import type { ConverterEvent } from "./converter.ts";
import { readEmotion, readPolarity } from "./words.ts";

export type ClipLabels = Pick<Utterance, "sentiment" | "emotion" | "expression" | "reason">;

interface RowBase {
  readonly where: string;
  /** The row's video or picture as it names it, whether it is there or not: it tells rows of one clip, and the source. */
  readonly path?: string;
  readonly media?: NonNullable<Utterance["media"]>;
}

export type EmtRow =
  | (RowBase & { readonly kind: "clip"; readonly text: string; readonly labels: ClipLabels })
  | (RowBase & { readonly kind: "causes"; readonly lines: readonly (Omit<ConversationLine, "emotion"> & { readonly emotion: Emotion })[]; readonly target: number; readonly causes: readonly number[] });

export interface RowContext {
  readonly where: string;
  readonly pathOf: (file: string) => string;
}

/** The row's labels, absent when nothing of it can be used, and what was noticed. */
export function readEmtRow(row: SwiftRow, context: RowContext): { readonly row?: EmtRow; readonly notices: readonly ConverterEvent[] } {
  const notices: ConverterEvent[] = [];
  const { where } = context;
  if (row.tagFault !== undefined) notices.push(notice("tag-count", where, row.tagFault));
  const media = readMedia(row, context, notices);
  const base: RowBase = { where, ...(media?.video === undefined ? {} : { path: media.video }), ...(media === undefined ? {} : { media }) };
  const turns = row.turns.map((turn) => ({ ...turn, prompt: readPrompt(turn.query) }));
  for (const { query } of turns.filter(({ prompt }) => prompt === undefined)) notices.push(notice("unknown-prompt", where, `the question ${JSON.stringify(query.slice(0, 80))} is of none of the five tasks`));
  const causes = turns.find(({ prompt }) => prompt?.kind === "causes");
  if (causes?.prompt?.kind === "causes") return { ...withCauses(causes.prompt, causes.response, base, notices), notices };
  let text: string | undefined;
  const labels: { -readonly [K in keyof ClipLabels]: ClipLabels[K] } = {};
  for (const { prompt, response } of turns) {
    if (prompt?.kind !== "clip") continue;
    text ??= prompt.text;
    Object.assign(labels, readLabel(prompt.task, response, where, notices));
  }
  return Object.keys(labels).length === 0 ? { notices } : { row: { kind: "clip", ...base, text: text ?? "", labels }, notices };
}

function withCauses(prompt: Extract<PaperPrompt, { kind: "causes" }>, response: string, base: RowBase, notices: ConverterEvent[]): { readonly row?: EmtRow } {
  const lines = prompt.lines.map(({ emotion, ...line }) => ({ ...line, emotion: readEmotion(emotion)?.value }));
  const unknown = prompt.lines.find((_, i) => lines[i]?.emotion === undefined);
  const causes = readCauses(response, prompt.target);
  const outside = causes?.find((cause) => cause < 1 || cause > lines.length);
  const refuse = (what: string): { readonly row?: EmtRow } => {
    notices.push(notice("unknown-label", base.where, what));
    return {};
  };
  if (unknown !== undefined) return refuse(`the conversation has the emotion "${unknown.emotion}", which is outside the set`);
  if (causes === undefined) return refuse(`the answer ${JSON.stringify(response.slice(0, 60))} is no list of pairs of utterance ${prompt.target}`);
  if (outside !== undefined) return refuse(`the answer names utterance ${outside} of ${lines.length}`);
  const whole = lines.flatMap(({ emotion, ...line }) => (emotion === undefined ? [] : [{ ...line, emotion }]));
  return { row: { kind: "causes", ...base, lines: whole, target: prompt.target, causes: [...new Set(causes)] } };
}

function readLabel(task: ClipTask, response: string, where: string, notices: ConverterEvent[]): ClipLabels {
  const answer = response.trim();
  const word = answer.replace(/\.$/, "");
  const refuse = (expected: string): ClipLabels => {
    notices.push(notice("unknown-label", where, `the ${task} answer ${JSON.stringify(answer.slice(0, 80))} is ${expected}`));
    return {};
  };
  switch (task) {
    case "msa": {
      const reading = readPolarity(word);
      return reading === undefined ? refuse("neither positive, negative nor neutral") : { sentiment: { polarity: reading.value } };
    }
    case "erc": {
      const reading = readEmotion(word);
      return reading === undefined ? refuse("outside the set of emotions") : { emotion: reading.value };
    }
    case "fer": {
      const phrases = answer.split(";").map((phrase) => phrase.trim());
      const unknown = phrases.find((phrase) => unitOf(phrase) === undefined);
      return unknown === undefined ? { expression: phrases } : refuse(`not all of known phrases: "${unknown}" belongs to no action unit`);
    }
    case "eri":
      return answer === "" ? refuse("empty") : { reason: answer };
    default:
      return task satisfies never;
  }
}

/** One video or one picture; of several pictures the first, which is told. */
function readMedia({ videos, images, audios }: SwiftRow, { where, pathOf }: RowContext, notices: ConverterEvent[]): RowBase["media"] | undefined {
  const [video] = [...videos, ...images];
  const [audio] = audios;
  if (videos.length + images.length > 1) notices.push(notice("input", where, `the row has ${videos.length} videos and ${images.length} images; the first is used`));
  if (video === undefined && audio === undefined) return undefined;
  return { ...(video === undefined ? {} : { video: pathOf(video) }), ...(audio === undefined ? {} : { audio: pathOf(audio) }) };
}

/** @file The prompt of a clip: what its tasks share comes first, so that they can branch from one encoded prefix. */
import type { EmtRecord, Utterance } from "../data/record.ts";
import type { Part, Sample, TaskName } from "./task.ts";

export function text(content: string): Part {
  return { kind: "text", text: content };
}

/** The place of an utterance's clip, or nothing when it has no media. */
export function clipParts(utterance: Utterance): readonly Part[] {
  return utterance.media === undefined ? [] : [{ kind: "clip", utterance }];
}

/** A turn of a conversation: `{number}{mark}. {speaker}: {text}`. */
export function turnParts({ speaker, text: transcript }: Utterance, { number, mark = "" }: { readonly number: number; readonly mark?: string }): readonly Part[] {
  return [text(`${number}${mark}. ${speaker === undefined ? "" : `${speaker}: `}`), { kind: "transcript", text: transcript }];
}

/**
 * A sample of a task on one utterance: `The person says: '{utterance}' {identifier} {instruction}`, the paper's form.
 * The blank before the identifier belongs to the branch: tokenizers join it to the word that follows.
 */
export function clipSample(input: {
  readonly task: TaskName;
  readonly record: EmtRecord;
  readonly utterance: Utterance;
  readonly identifier: string;
  readonly instruction: string;
  readonly target: string;
}): Sample {
  const { task, record, utterance, identifier, instruction, target } = input;
  return {
    id: sampleId(utterance, task),
    task,
    recordId: record.id,
    unit: utterance.id,
    // The unit's very text: a million of them take no memory twice.
    prefixKey: utterance.id,
    prefix: [...clipParts(utterance), text("The person says: '"), { kind: "transcript", text: utterance.text }, text("'")],
    instruction: [text(` ${identifier} ${instruction}`)],
    target,
  };
}

/** A key for the prefix of a whole record, which may bear the id of an utterance: set apart by a line break, with which no id begins. */
export function recordPrefixKey(kind: "conversation" | "dialogue", { id }: EmtRecord): string {
  return `\n${kind}:${id}`;
}

/** A conversation's turns, a line each, after the opening: what all its targets share. */
export function conversationParts(opening: string, { utterances }: EmtRecord, markOf: (utterance: Utterance) => string = () => ""): readonly Part[] {
  return [text(opening), ...utterances.flatMap((utterance, i) => [...turnParts(utterance, { number: i + 1, mark: markOf(utterance) }), text("\n")])];
}

/** A sample of a task on one turn of a conversation: the turn once more, then `{identifier} {question}`. */
export function turnSample(input: {
  readonly task: TaskName;
  readonly record: EmtRecord;
  readonly utterance: Utterance;
  /** Of the turn, from 1. */
  readonly number: number;
  readonly mark?: string;
  readonly unit: string;
  /** Samples of equal key share the prefix. */
  readonly prefixKey: string;
  readonly prefix: readonly Part[];
  readonly identifier: string;
  readonly question: string;
  readonly target: string;
}): Sample {
  const { task, record, utterance, number, mark, unit, prefixKey, prefix, identifier, question, target } = input;
  const turn = turnParts(utterance, { number, ...(mark === undefined ? {} : { mark }) });
  return { id: sampleId(utterance, task), task, recordId: record.id, unit, prefixKey, prefix, instruction: [...clipParts(utterance), text("Target utterance:"), ...turn, text(`\n${identifier} ${question}`)], target };
}

export function sampleId(utterance: Utterance, task: TaskName): string {
  return `${utterance.id}:${task}`;
}

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
    // With a word of its own: a record of one utterance often bears that utterance's id.
    prefixKey: `clip:${utterance.id}`,
    prefix: [...clipParts(utterance), text("The person says: '"), { kind: "transcript", text: utterance.text }, text("'")],
    instruction: [text(` ${identifier} ${instruction}`)],
    target,
  };
}

export function sampleId(utterance: Utterance, task: TaskName): string {
  return `${utterance.id}:${task}`;
}

/** @file The contract of a task: prompt, target, answer parser and metrics live in one place, so they cannot drift apart. */
import type { EmtRecord, Utterance } from "../data/record.ts";
import type { Counted } from "../metrics/counts.ts";
import type { PromptForm } from "./prompt-form.ts";

export const TASK_NAMES = ["msa", "erc", "fer", "eri", "ecpe"] as const;
export type TaskName = (typeof TASK_NAMES)[number];

/** A piece of a prompt: literal text, what somebody said (nothing when the text modality is off), or the place of a clip's frames and sound. */
export type Part =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "transcript"; readonly text: string }
  | { readonly kind: "clip"; readonly utterance: Utterance };

/** One task instance of a record. Samples with equal `prefixKey` have equal prefixes and share them in a row. */
export interface Sample {
  /** `<utterance id>:<task>`, unique in a dataset. */
  readonly id: string;
  readonly task: TaskName;
  readonly recordId: string;
  /** What the mixture draws for: an utterance id, or a record id for conversation tasks. */
  readonly unit: string;
  readonly prefixKey: string;
  /** What is common to a clip or a conversation; comes right after the system turn. */
  readonly prefix: readonly Part[];
  /** What belongs to this task and target; ends the user's turn. */
  readonly instruction: readonly Part[];
  /** The exact text the assistant must write. */
  readonly target: string;
  /** Of a prompt that shows a part of its conversation and numbers it anew. */
  readonly excerpt?: Excerpt;
}

export interface Excerpt {
  /** A turn's number in the conversation, less that in the prompt. */
  readonly shift: number;
  /** The right answer in the conversation's numbers; it may name turns that the prompt does not show. */
  readonly gold: string;
}

/** The answer that counts as right. */
export function goldOf({ target, excerpt }: Pick<Sample, "target" | "excerpt">): string {
  return excerpt?.gold ?? target;
}

/** A number with a name the field uses; `perClass` and `confusion` where they make sense. */
export interface Scores {
  readonly metrics: Readonly<Record<string, number>>;
  readonly perClass?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Rows: gold, columns: predicted, in the order of `labels`. */
  readonly confusion?: { readonly labels: readonly string[]; readonly counts: readonly (readonly number[])[] };
  readonly parseFailures: number;
}

/** What the scorer sees of a prediction; `id`s are sample ids. */
export interface ScoredRow {
  readonly id: string;
  /** The target text. */
  readonly gold: string;
  /** The raw text the model wrote (or the label it scored highest). */
  readonly response: string;
}

/** An answer and how probable the model finds it, next to others. */
export interface WeighedAnswer {
  readonly answer: string;
  readonly probability: number;
}

/** How an open answer set is scored: by the likelihood of some answers that can be listed. */
export interface Weighing {
  readonly candidates: (sample: Sample) => readonly string[];
  /** What the probabilities speak for. */
  readonly choose: (weighed: readonly WeighedAnswer[], threshold: number) => string;
}

export interface Task {
  readonly name: TaskName;
  /** `<sentiment>` and so on: plain text in the prompt, as in the paper. */
  readonly identifier: string;
  readonly title: string;
  /** What counts as correct, in one sentence; written beside the scores. */
  readonly protocol: string;
  /** Every possible target when the answer set is closed: such a task is scored by label likelihood. */
  readonly answers?: readonly string[];
  /** For open answer sets that can be scored too. */
  readonly weighing?: Weighing;
  /** The metric that picks the best checkpoint. */
  readonly mainMetric: string;
  /** Upper bound of an answer's length in tokens. */
  readonly maxNewTokens: number;
  /** All instances of this task in a record, in the paper's form if no other is wanted; empty when the labels are missing. */
  readonly samples: (record: EmtRecord, form?: PromptForm) => readonly Sample[];
  /** The answer that a response states, in its canonical form; undefined when the response breaks the task's grammar. */
  readonly parse: (response: string) => string | undefined;
  /** The response in the conversation's numbers where the prompt has its own. */
  readonly restore?: (response: string, sample: Sample) => string;
  /**
   * What the scores are made of, row by row; unparsed answers are counted and wrong. Pure.
   *
   * @throws UserError when a gold answer is none of this task's.
   */
  readonly count: (rows: readonly ScoredRow[]) => Counted<Scores>;
  /** The scores of a predictions file: those of all counted rows. */
  readonly score: (rows: readonly ScoredRow[]) => Scores;
  /** Scores of rules without a model, by name (e.g. "majority"); `train` are the training split's samples of this task. */
  readonly baselines: (input: { readonly train: readonly Sample[]; readonly test: readonly Sample[] }) => Readonly<Record<string, Scores>>;
}

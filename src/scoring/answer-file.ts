/** @file AnswerFile: gold or predicted answers, whatever format they came in. */
import type { EmtRecord } from "../data/record.ts";

/** One answer, or a pair of them: what is right, what a system said, or both. */
export interface Answer {
  /** `path:line`. */
  readonly where: string;
  /** Absent when the format has none: such rows are matched by their order. */
  readonly id?: string;
  readonly gold?: string;
  readonly response?: string;
}

/** A conversation in the layout of SemEval-2024 task 3. */
export interface Conversation {
  readonly where: string;
  /** As it stands in the file; the official program makes a whole number of it. */
  readonly id: unknown;
  /** Absent when the key is missing. */
  readonly pairs?: unknown;
  /** Empty in files that hold only pairs. */
  readonly utterances: readonly { readonly number: number; readonly emotion?: string }[];
  /** Everything that the file says about it, for writing it again. */
  readonly source: Readonly<Record<string, unknown>>;
}

interface Origin {
  readonly path: string;
  /** The format in words. */
  readonly format: string;
  /** Worth knowing about how it was read. */
  readonly notes: readonly string[];
}

export type AnswerFile =
  | (Origin & { readonly kind: "rows"; readonly rows: readonly Answer[] })
  | (Origin & { readonly kind: "conversations"; readonly conversations: readonly Conversation[] })
  | (Origin & { readonly kind: "records"; readonly records: readonly EmtRecord[] });

/** Whether a file is read for what a system said or for what is right. */
export type Role = "predictions" | "gold";

/** @file EncodedSample: the numbers of one sample, still apart as shared prefix and branch. */
import type { TaskName } from "../tasks/task.ts";

/** Label of a position that carries no loss (PyTorch's convention). */
export const IGNORE_INDEX = -100;

export type Modality = "video" | "audio";

/** Where a clip's features replace placeholder tokens: `count` positions from `position` on take the clip's features from row `offset` on. */
export interface MediaSlot {
  readonly modality: Modality;
  /** Utterance id; with the modality it names the features. */
  readonly clip: string;
  readonly position: number;
  readonly count: number;
  /** First feature row of the clip: frame k of a video has offset k * tokensPerFrame; sound has 0. */
  readonly offset: number;
}

/** A run of tokens; `labels[t]` is the token that position t must predict (already shifted) or IGNORE_INDEX. */
export interface EncodedSegment {
  readonly inputIds: Int32Array;
  readonly labels: Int32Array;
  readonly slots: readonly MediaSlot[];
}

export interface EncodedSample {
  readonly id: string;
  readonly task: TaskName;
  readonly unit: string;
  readonly prefixKey: string;
  readonly prefix: EncodedSegment;
  /** Instruction, assistant header, answer, end of turn; in evaluation without answer and end. */
  readonly branch: EncodedSegment;
  /** Of the answer with its end; 0 without one. */
  readonly answerTokens: number;
}

/** Tokens of a sample on its own. */
export function sampleLength({ prefix, branch }: EncodedSample): number {
  return prefix.inputIds.length + branch.inputIds.length;
}

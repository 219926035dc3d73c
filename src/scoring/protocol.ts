/** @file The contract of a protocol: whose way of counting, and what it makes of aligned answers. */
import type { Counted } from "../metrics/counts.ts";
import type { Scores } from "../tasks/task.ts";

/**
 * `official`: the program of the benchmark (scikit-learn for MELD, evaluate.py for ECAC, MMSA for MOSEI); `paper`:
 * compute_result.py for the authors' own models; `paper-other`: the same for other models, whose answers it searches for
 * words and numbers; `m2se`: the task's own way, as m2se eval counts.
 */
export const PROTOCOLS = ["official", "paper", "paper-other", "m2se"] as const;
export type ProtocolName = (typeof PROTOCOLS)[number];

export interface ProtocolScores extends Scores {
  /** Numbers that are no metrics: what was skipped, what was counted in a way worth knowing. */
  readonly details?: Readonly<Record<string, number>>;
}

/** What a protocol makes of a file. */
export interface Scoring {
  /** What counts as correct, in one sentence. */
  readonly counting: string;
  readonly counted: Counted<ProtocolScores>;
  /** The unit of every counted row, for resampling, and the word for it. */
  readonly units: readonly string[];
  readonly unit: string;
  /** Rules without a model on the same samples. */
  readonly baselines: Readonly<Record<string, ProtocolScores>>;
  readonly notes: readonly string[];
  /** Rows without a prediction that are among `parseFailures`. */
  readonly unanswered: number;
}

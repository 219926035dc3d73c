/** @file The cases of the benchmark, in the order in which they run. */

export const CASE_NAMES = ["train-128", "train-512", "train-2048", "train-2048-checkpointed", "train-tiny", "vision-448", "decode"] as const;

export type CaseName = (typeof CASE_NAMES)[number];

/** @file A checkpoint state for tests. */
import type { CheckpointState } from "../../src/train/checkpoint.ts";

export function state(changes: Partial<CheckpointState>): CheckpointState {
  return { stage: "a", step: 1, steps: 100, epoch: 0, seed: 42, configHash: "config", lineage: { base: "base", parent: null }, best: null, ...changes };
}

/** @file BenchCase: one line of the benchmark, as both sides are given it. */
import type { ModelConfig } from "../../src/model/config.ts";
import type { Repetition } from "./measure.ts";

export interface BenchCase {
  /** What tokens/s counts in one repetition. */
  readonly tokens: number;
  /** What one repetition cannot do without; see flops.ts. */
  readonly flops: number;
  /** The same work, described for peer/run.py; null: nothing to compare with. */
  readonly peer: PeerTask | null;
  /** Makes the weights on the current backend, and returns the work to be repeated; each repetition waits for the device. */
  readonly prepare: () => Repetition;
}

/** Input of peer/run.py, as JSON. */
export type PeerTask = TrainTask | VisionTask | DecodeTask | GemmTask;

export interface TrainTask {
  readonly kind: "train";
  readonly config: ModelConfig;
  /** Of the adapters on a frozen decoder; null: everything is trained. */
  readonly rank: number | null;
  readonly batchSize: number;
  readonly length: number;
  /** [batchSize * length] each, as in Batch. */
  readonly inputIds: readonly number[];
  readonly labels: readonly number[];
  readonly positionIds: readonly number[];
  readonly featureIndex: readonly number[];
  /** Per row; parents are 1-based, 0 is a root. */
  readonly segments: readonly (readonly { readonly parent: number; readonly start: number; readonly length: number }[])[];
  readonly frames: number;
  readonly sounds: number;
}

export interface VisionTask {
  readonly kind: "vision";
  readonly config: ModelConfig;
}

export interface DecodeTask {
  readonly kind: "decode";
  readonly config: ModelConfig;
  readonly sequences: number;
  /** Positions that every sequence has behind it. */
  readonly promptLength: number;
  readonly newTokens: number;
}

/** A product of square matrices, for the peak of a GPU as the peer reaches it. */
export interface GemmTask {
  readonly kind: "gemm";
  readonly size: number;
}

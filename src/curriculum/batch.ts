/** @file Batch: several packed rows of equal length as flat arrays, with the clips whose features they hold. */
import type { PackedRow } from "./packed-row.ts";

export interface Batch {
  readonly rows: readonly PackedRow[];
  /** B and S; every flat array below is [B * S], row after row. */
  readonly batchSize: number;
  readonly length: number;
  readonly inputIds: Int32Array;
  readonly labels: Int32Array;
  readonly positionIds: Int32Array;
  /** Distinct clips with a video slot, then those with an audio slot; a clip's features are computed once per batch. */
  readonly videoClips: readonly string[];
  readonly audioClips: readonly string[];
  /**
   * -1 where the token's own embedding is used, else a row of the feature table
   * [videoClips.length * videoTokens + audioClips.length * audioTokens, D]: all video rows first, then audio.
   */
  readonly featureIndex: Int32Array;
  readonly supervisedTokens: number;
  readonly usedTokens: number;
}

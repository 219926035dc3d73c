/**
 * @file PackedRow: a forest of segments in one row of fixed length. A token sees itself, what came before it in its own
 * segment, and all of its segment's ancestors; nothing else. Positions continue the parent's.
 */
import type { MediaSlot } from "../text/encoded-sample.ts";
import type { TaskName } from "../tasks/task.ts";

export interface RowSegment {
  /** 1-based number of the parent segment in this row; 0 for a root. A parent always precedes its children. */
  readonly parent: number;
  /** First position in the row, and length. */
  readonly start: number;
  readonly length: number;
  /** Sample id and task of a branch; absent on a shared prefix. */
  readonly sampleId?: string;
  readonly task?: TaskName;
  /** With which a branch ends. */
  readonly answerTokens?: number;
}

export interface PackedRow {
  /** [length]; 0 on padding. */
  readonly inputIds: Int32Array;
  /** [length]; already shifted; IGNORE_INDEX where unsupervised. */
  readonly labels: Int32Array;
  /** [length]; restart at 0 in every tree; 0 on padding. */
  readonly positionIds: Int32Array;
  /** [length]; 1-based segment number, 0 on padding. */
  readonly segmentIds: Int32Array;
  readonly segments: readonly RowSegment[];
  /** Slots with positions in the row. */
  readonly slots: readonly MediaSlot[];
  readonly supervisedTokens: number;
  /** Positions that are not padding. */
  readonly usedTokens: number;
}

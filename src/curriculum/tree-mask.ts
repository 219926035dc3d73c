/**
 * @file The attention mask of a forest: a token sees itself, its segment's earlier tokens and its segment's ancestors.
 * A segment's descendants stand right behind it, so one number per position holds the whole mask: a query sees a key if
 * key <= query < seenUntil[key].
 */
import { invariant } from "../core/errors.ts";
import type { PackedRow, RowSegment } from "./packed-row.ts";

/** Added to the score of a pair that must not attend; finite, so that a softmax never meets minus infinity alone. */
export const MASKED = -1e9;

/** [length]: the first position behind all that see this one. Padding is seen by itself only. */
export function seenUntil({ segments, inputIds }: Pick<PackedRow, "segments" | "inputIds">): Int32Array {
  const until = Int32Array.from(inputIds.keys(), (position) => position + 1);
  for (const { start, end, length } of subtrees(segments)) until.fill(end, start, start + length);
  return until;
}

interface Subtree extends RowSegment {
  /** First position behind the segment's last descendant. */
  readonly end: number;
}

function subtrees(segments: readonly RowSegment[]): Subtree[] {
  const ends = segments.map(({ start, length }) => start + length);
  for (const [index, { parent }] of [...segments.entries()].reverse()) {
    invariant(parent === 0 || isWithin(segments, index, parent), () => `segment ${index + 1} of a row stands apart from its parent ${parent}`);
    if (parent > 0) ends[parent - 1] = Math.max(ends[parent - 1] ?? 0, ends[index] ?? 0);
  }
  return segments.map((segment, index) => ({ ...segment, end: ends[index] ?? 0 }));
}

/** Whether segment `number` is `ancestor` or below it; both count from 1. */
function isWithin(segments: readonly RowSegment[], number: number, ancestor: number): boolean {
  for (let own = number; own > 0; own = segments[own - 1]?.parent ?? 0) if (own === ancestor) return true;
  return false;
}

/** Additive attention bias [B, S, S], 0 where the query (second axis) sees the key (third axis) and MASKED elsewhere. */
export function treeBias(rows: readonly PackedRow[], length: number): Float32Array {
  const bias = new Float32Array(rows.length * length * length).fill(MASKED);
  for (const [b, row] of rows.entries()) {
    for (const [key, end] of seenUntil(row).entries()) {
      for (let query = key; query < end; query++) bias[(b * length + query) * length + key] = 0;
    }
  }
  return bias;
}

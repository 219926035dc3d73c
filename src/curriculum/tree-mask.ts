/** @file The attention mask of a forest: a token sees itself, its segment's earlier tokens and its segment's ancestors. */
import type { PackedRow } from "./packed-row.ts";

/** Added to the score of a pair that must not attend; finite, so that a softmax never meets minus infinity alone. */
export const MASKED = -1e9;

/**
 * Additive attention bias [B, S, S], 0 where the query (second axis) sees the key (third axis) and MASKED elsewhere.
 * Padding sees itself only.
 */
export function treeBias(rows: readonly PackedRow[], length: number): Float32Array {
  const bias = new Float32Array(rows.length * length * length).fill(MASKED);
  rows.forEach((row, b) => openRow(bias.subarray(b * length * length, (b + 1) * length * length), row, length));
  return bias;
}

function openRow(bias_SS: Float32Array, { segments, usedTokens }: PackedRow, length: number): void {
  for (const { parent, start, length: ownLength } of segments) {
    for (let query = start; query < start + ownLength; query++) {
      const line = query * length;
      bias_SS.fill(0, line + start, line + query + 1);
      for (let above = segments[parent - 1]; above !== undefined; above = segments[above.parent - 1]) {
        bias_SS.fill(0, line + above.start, line + above.start + above.length);
      }
    }
  }
  for (let query = usedTokens; query < length; query++) bias_SS[query * length + query] = 0;
}

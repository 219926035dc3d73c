/** @file Size of the attention that a packed row cannot do without. */
import type { PackedRow } from "../../src/curriculum/packed-row.ts";

/** Query-key pairs of a row that see each other: every token with itself, the earlier ones of its segment and its ancestors. */
export function visiblePairs({ segments }: Pick<PackedRow, "segments">): number {
  const depths: number[] = [];
  let pairs = 0;
  for (const { parent, length } of segments) {
    const above = depths[parent - 1] ?? 0;
    depths.push(above + length);
    pairs += length * above + (length * (length + 1)) / 2;
  }
  return pairs;
}

/** @file Encoded samples without a tokenizer: ids are counted so that every token of a test is recognisable. */
import { rng } from "../../src/core/rng.ts";
import { encodeTree } from "../../src/curriculum/encode-tree.ts";
import { collectLists, listCount } from "../../src/core/number-lists.ts";
import { numberPrefixes } from "../../src/curriculum/mixture.ts";
import { finder, outlineOf } from "../../src/curriculum/outline.ts";
import { assignRows, splitByLength, type TooLong, treesOfRow } from "../../src/curriculum/pack.ts";
import type { PackedRow } from "../../src/curriculum/packed-row.ts";
import { buildRow } from "../../src/curriculum/row.ts";
import { TASK_NAMES } from "../../src/tasks/task.ts";
import type { TaskName } from "../../src/tasks/task.ts";
import { IGNORE_INDEX } from "../../src/text/encoded-sample.ts";
import type { EncodedSample, EncodedSegment, MediaSlot } from "../../src/text/encoded-sample.ts";

/** A segment of the given ids whose last `answer` ids are supervised, each predicted one position earlier. */
export function segment(ids: readonly number[], answer = 0, slots: readonly MediaSlot[] = []): EncodedSegment {
  const labels = new Int32Array(ids.length).fill(IGNORE_INDEX);
  for (let i = ids.length - answer; i < ids.length; i++) labels[i - 1] = ids[i] ?? IGNORE_INDEX;
  return { inputIds: Int32Array.from(ids), labels, slots };
}

export interface ToySample {
  readonly id: string;
  readonly task?: TaskName;
  readonly unit?: string;
  readonly prefixKey: string;
  readonly prefix: readonly number[];
  readonly branch: readonly number[];
  readonly answer?: number;
  readonly slots?: readonly MediaSlot[];
}

export function toySample({ id, task = "erc", unit, prefixKey, prefix, branch, answer = 1, slots = [] }: ToySample): EncodedSample {
  return { id, task, unit: unit ?? prefixKey, prefixKey, prefix: segment(prefix, 0, slots), branch: segment(branch, answer), answerTokens: answer };
}

/** `units` clips with one to four tasks each; prefixes of 4-20 tokens, branches of 2-9. */
export function randomSamples(seed: number, units: number): EncodedSample[] {
  return Array.from({ length: units }, (_, unit) => {
    const random = rng(seed, "toy", unit);
    const prefix = Array.from({ length: 4 + random.integer(17) }, () => 1 + random.integer(99));
    return TASK_NAMES.slice(0, 1 + random.integer(4)).map((task) => {
      const branch = Array.from({ length: 2 + random.integer(8) }, () => 1 + random.integer(99));
      return toySample({ id: `u${unit}:${task}`, task, prefixKey: `u${unit}`, prefix, branch, answer: 1 + random.integer(branch.length - 1) });
    });
  }).flat();
}

/** Samples -> rows, as a schedule makes them; each sample appears once, or in `tooLong`. */
export function packRows(samples: readonly EncodedSample[], { rowTokens }: { readonly rowTokens: number }): { rows: PackedRow[]; tooLong: TooLong[] } {
  const { fitting, tooLong } = splitByLength(samples.map(outlineOf), rowTokens);
  const encode = finder(samples);
  const prefixes = numberPrefixes(fitting);
  const packed = assignRows(collectLists(prefixes, Math.max(-1, ...prefixes) + 1), fitting, rowTokens);
  return { rows: Array.from({ length: listCount(packed.rows) }, (_, row) => buildRow(treesOfRow(packed, row, fitting).map((tree) => encodeTree(tree, encode)), rowTokens)), tooLong };
}

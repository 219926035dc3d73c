/**
 * @file Packing: samples with a common prefix become one tree, several trees share a row. Rows come out in nearly the
 * order of the samples, so the mixture's random order survives.
 */
import { invariant } from "../core/errors.ts";
import type { Problem } from "../core/errors.ts";
import type { EncodedSample, EncodedSegment } from "../text/encoded-sample.ts";
import { groupByPrefix } from "./mixture.ts";
import { treeLength } from "./row.ts";
import type { Tree, TreeNode } from "./row.ts";

/** A sample whose prefix and branch alone exceed a row. */
export interface TooLong {
  readonly sample: EncodedSample;
  readonly tokens: number;
}

/** Rows that may still take a tree. More would pad less and disturb the order more; padding hardly falls beyond this. */
const OPEN_ROWS = 64;

/** Tokens of a sample on its own. */
export function sampleLength({ prefix, branch }: EncodedSample): number {
  return prefix.inputIds.length + branch.inputIds.length;
}

/** The samples that fit a row, and the others. */
export function splitByLength(samples: readonly EncodedSample[], rowTokens: number): { fitting: EncodedSample[]; tooLong: TooLong[] } {
  const fitting: EncodedSample[] = [];
  const tooLong: TooLong[] = [];
  for (const sample of samples) {
    const tokens = sampleLength(sample);
    if (tokens <= rowTokens) fitting.push(sample);
    else tooLong.push({ sample, tokens });
  }
  return { fitting, tooLong };
}

/** Over-long samples as problems of the data, each with the row length it would need. */
export function tooLongProblems(tooLong: readonly TooLong[], { stage, rowTokens }: { readonly stage: string; readonly rowTokens: number }): Problem[] {
  return tooLong.map(({ sample, tokens }) => ({
    kind: "DataError",
    where: `sample ${sample.id}`,
    what: `got ${tokens} tokens, expected at most ${rowTokens}`,
    hint: `Set stages.${stage}.budget.rowTokens to at least ${tokens}, lower data.frames, or set data.onBad: drop.`,
  }));
}

/** Which trees share a row, without building it. Best fit over the last open rows; all samples must fit a row. */
export function assignRows(samples: readonly EncodedSample[], rowTokens: number): Tree[][] {
  const closed: OpenRow[] = [];
  const open: OpenRow[] = [];
  for (const tree of groupByPrefix(samples).flatMap((group) => growTrees(group, rowTokens))) {
    const length = treeLength(tree);
    const row = bestFit(open, length) ?? openRow(open, rowTokens);
    row.trees.push(tree);
    row.free -= length;
    if (open.length > OPEN_ROWS) closed.push(...open.splice(fullest(open), 1));
  }
  return [...closed, ...open].map(({ trees }) => trees);
}

interface OpenRow {
  readonly trees: Tree[];
  free: number;
}

function openRow(open: OpenRow[], rowTokens: number): OpenRow {
  const row: OpenRow = { trees: [], free: rowTokens };
  open.push(row);
  return row;
}

/** The open row that the tree fills most; the oldest of equals. */
function bestFit(open: readonly OpenRow[], length: number): OpenRow | undefined {
  const fitting = open.filter(({ free }) => free >= length);
  return fitting.reduce<OpenRow | undefined>((best, row) => (best === undefined || row.free < best.free ? row : best), undefined);
}

function fullest(open: readonly OpenRow[]): number {
  return open.reduce((best, { free }, i) => (free < (open[best]?.free ?? Infinity) ? i : best), 0);
}

/** Samples of one prefix as one tree, or, when that exceeds the row, as several that repeat the prefix. */
function growTrees(group: readonly EncodedSample[], rowTokens: number): Tree[] {
  const trees: TreeNode[][] = [];
  let free = 0;
  for (const { id, task, prefixKey, prefix, branch } of group) {
    const root = group[0]?.prefix ?? prefix;
    invariant(sameTokens(root, prefix), () => `samples of prefix "${prefixKey}" have different prefixes, see ${id}`);
    if (trees.length === 0 || branch.inputIds.length > free) {
      trees.push([{ segment: root, parent: -1 }]);
      free = rowTokens - root.inputIds.length;
    }
    trees.at(-1)?.push({ segment: branch, parent: 0, sampleId: id, task });
    free -= branch.inputIds.length;
  }
  return trees;
}

function sameTokens(a: EncodedSegment, b: EncodedSegment): boolean {
  return a === b || (a.inputIds.length === b.inputIds.length && a.inputIds.every((id, i) => id === b.inputIds[i]));
}

/**
 * @file Packing: samples with a common prefix become one tree, several trees share a row. Rows come out in nearly the
 * order of the samples, so the mixture's random order survives.
 */
import type { Problem } from "../core/errors.ts";
import { outlineTokens, treeTokens } from "./outline.ts";
import type { OutlineTree, SampleOutline } from "./outline.ts";

/** A sample whose prefix and branch alone exceed a row. */
export interface TooLong {
  readonly sample: SampleOutline;
  readonly tokens: number;
}

/** Rows that may still take a tree. More would pad less and disturb the order more; padding hardly falls beyond this. */
const OPEN_ROWS = 64;

/** The samples that fit a row, and the others. */
export function splitByLength(samples: readonly SampleOutline[], rowTokens: number): { fitting: SampleOutline[]; tooLong: TooLong[] } {
  const fitting: SampleOutline[] = [];
  const tooLong: TooLong[] = [];
  for (const sample of samples) {
    const tokens = outlineTokens(sample);
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

/** Which trees share a row, from groups of one prefix. Best fit over the last open rows; all samples must fit a row. */
export function assignRows(groups: readonly OutlineTree[], rowTokens: number): OutlineTree[][] {
  const closed: OpenRow[] = [];
  const open: OpenRow[] = [];
  for (const tree of groups.flatMap((group) => growTrees(group, rowTokens))) {
    const tokens = treeTokens(tree);
    const row = bestFit(open, tokens) ?? openRow(open, rowTokens);
    row.trees.push(tree);
    row.free -= tokens;
    if (open.length > OPEN_ROWS) closed.push(...open.splice(fullest(open), 1));
  }
  return [...closed, ...open].map(({ trees }) => trees);
}

interface OpenRow {
  readonly trees: OutlineTree[];
  free: number;
}

function openRow(open: OpenRow[], rowTokens: number): OpenRow {
  const row: OpenRow = { trees: [], free: rowTokens };
  open.push(row);
  return row;
}

/** The open row that the tree fills most; the oldest of equals. */
function bestFit(open: readonly OpenRow[], tokens: number): OpenRow | undefined {
  const fitting = open.filter(({ free }) => free >= tokens);
  return fitting.reduce<OpenRow | undefined>((best, row) => (best === undefined || row.free < best.free ? row : best), undefined);
}

function fullest(open: readonly OpenRow[]): number {
  return open.reduce((best, { free }, i) => (free < (open[best]?.free ?? Infinity) ? i : best), 0);
}

/** Samples of one prefix as one tree, or, when that exceeds the row, as several that repeat the prefix. */
function growTrees(group: OutlineTree, rowTokens: number): readonly OutlineTree[] {
  if (treeTokens(group) <= rowTokens) return [group];
  const trees: SampleOutline[][] = [];
  let free = 0;
  for (const outline of group) {
    if (trees.length === 0 || outline.branchTokens > free) {
      trees.push([]);
      free = rowTokens - outline.prefixTokens;
    }
    trees.at(-1)?.push(outline);
    free -= outline.branchTokens;
  }
  return trees;
}

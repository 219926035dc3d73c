/**
 * @file Packing: samples with a common prefix become one tree, several trees share a row. Rows come out in nearly the
 * order of the samples, so the mixture's random order survives.
 */
import type { Problem } from "../core/errors.ts";
import { collectLists, listAt, listCount, type NumberLists } from "../core/number-lists.ts";
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

/** Rows as lists of trees, and trees as lists of the indices of samples that share their prefix. */
export interface TreeRows {
  readonly rows: NumberLists;
  readonly trees: NumberLists;
}

/** Which trees share a row, from groups of one prefix. Best fit over the last open rows; all samples must fit a row. */
export function assignRows(groups: NumberLists, samples: readonly SampleOutline[], rowTokens: number): TreeRows {
  const trees = growTrees(groups, samples, rowTokens);
  const rowOf = new Int32Array(listCount(trees));
  const closed: OpenRow[] = [];
  const open: OpenRow[] = [];
  for (let tree = 0; tree < rowOf.length; tree++) {
    const tokens = treeTokens(outlinesAt(trees, tree, samples));
    const row = bestFit(open, tokens) ?? openRow(open, { number: closed.length + open.length, free: rowTokens });
    rowOf[tree] = row.number;
    row.free -= tokens;
    if (open.length > OPEN_ROWS) closed.push(...open.splice(fullest(open), 1));
  }
  const placeOf = new Int32Array(closed.length + open.length);
  for (const [place, { number }] of [...closed, ...open].entries()) placeOf[number] = place;
  return { trees, rows: collectLists(rowOf.map((number) => placeOf[number]!), placeOf.length) };
}

/** The trees of a row. */
export function treesOfRow({ rows, trees }: TreeRows, row: number, samples: readonly SampleOutline[]): OutlineTree[] {
  return Array.from(listAt(rows, row), (tree) => outlinesAt(trees, tree, samples));
}

function outlinesAt(trees: NumberLists, tree: number, samples: readonly SampleOutline[]): SampleOutline[] {
  return Array.from(listAt(trees, tree), (i) => samples[i]!);
}

interface OpenRow {
  /** In the order of opening. */
  readonly number: number;
  free: number;
}

function openRow(open: OpenRow[], row: OpenRow): OpenRow {
  open.push(row);
  return row;
}

/** The open row that the tree fills most; the oldest of equals. */
function bestFit(open: readonly OpenRow[], tokens: number): OpenRow | undefined {
  let best: OpenRow | undefined;
  for (const row of open) if (row.free >= tokens && (best === undefined || row.free < best.free)) best = row;
  return best;
}

function fullest(open: readonly OpenRow[]): number {
  return open.reduce((best, { free }, i) => (free < (open[best]?.free ?? Infinity) ? i : best), 0);
}

/** Samples of one prefix as one tree, or, when that exceeds the row, as several that repeat the prefix. */
function growTrees(groups: NumberLists, samples: readonly SampleOutline[], rowTokens: number): NumberLists {
  const starts: number[] = [];
  for (let group = 0; group < listCount(groups); group++) {
    let free = 0;
    for (let at = groups.starts[group]!; at < groups.starts[group + 1]!; at++) {
      const { prefixTokens, branchTokens } = samples[groups.items[at]!]!;
      if (at === groups.starts[group] || branchTokens > free) {
        starts.push(at);
        free = rowTokens - prefixTokens;
      }
      free -= branchTokens;
    }
  }
  starts.push(groups.items.length);
  return { items: groups.items, starts: Int32Array.from(starts) };
}

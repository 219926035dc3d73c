/** @file Prompts of several samples in one row; under each prompt, if asked, the answers whose likelihood is wanted. */
import { collectLists, listAt, listCount } from "../core/number-lists.ts";
import { numberPrefixes } from "../curriculum/mixture.ts";
import { buildRow, type Tree, treeLength, type TreeNode } from "../curriculum/row.ts";
import type { PackedRow } from "../curriculum/packed-row.ts";
import { type EncodedSample, IGNORE_INDEX } from "../text/encoded-sample.ts";
import type { PlacedAnswer } from "./label-scores.ts";

export interface PlacedPrompt {
  readonly sampleId: string;
  /** The position that predicts the answer's first token. */
  readonly end: number;
  readonly answers: readonly PlacedAnswer[];
}

export interface PromptRow {
  readonly row: PackedRow;
  readonly prompts: readonly PlacedPrompt[];
}

type AnswersOf = (sampleId: string) => readonly Int32Array[];

/** The same for every sample, or each its own. */
export type Answers = readonly Int32Array[] | AnswersOf;

/**
 * All samples, shortest first, as many to a row as fit; samples of one prefix share it. Rows of like lengths are as long
 * as they need to be, in quarters of `rowTokens`: one long sample widens no row but its own, and few shapes are compiled.
 *
 * @param answers - token ids of every candidate answer, end token included; empty for generation.
 * @param rowTokens - wished length of a row; a longer sample gets a longer row, so nothing is dropped.
 */
export function promptRows(samples: readonly EncodedSample[], answers: Answers, rowTokens: number): PromptRow[] {
  const answersOf: AnswersOf = typeof answers === "function" ? answers : () => answers;
  const trees = groupsOf(samples).flatMap((group) => growTrees(group, answersOf, rowTokens));
  return fillRows(trees.sort((a, b) => treeLength(a) - treeLength(b)), rowTokens).map((shared) => {
    const row = buildRow(shared, roundedLength(shared, rowTokens));
    return { row, prompts: locatePrompts(row, answersOf) };
  });
}

/** Samples of equal prefix together, in the order of first appearance. */
function groupsOf(samples: readonly EncodedSample[]): EncodedSample[][] {
  const prefixes = numberPrefixes(samples);
  const groups = collectLists(prefixes, new Set(prefixes).size);
  return Array.from({ length: listCount(groups) }, (_, group) => Array.from(listAt(groups, group), (i) => samples[i]!));
}

function roundedLength(trees: readonly Tree[], rowTokens: number): number {
  const step = Math.ceil(rowTokens / 4);
  return Math.ceil(trees.reduce((sum, tree) => sum + treeLength(tree), 0) / step) * step;
}

/** Samples of one prefix as one tree, or, when that exceeds the row, as several that repeat the prefix. */
function growTrees(group: readonly EncodedSample[], answersOf: AnswersOf, rowTokens: number): Tree[] {
  const trees: TreeNode[][] = [];
  for (const sample of group) {
    const current = trees.at(-1);
    const answers = answersOf(sample.id);
    if (current === undefined || treeLength(current) + treeLength(branchNodes(sample, 0, answers)) > rowTokens) {
      trees.push([prefixNode(sample), ...branchNodes(sample, 1, answers)]);
    } else {
      current.push(...branchNodes(sample, current.length, answers));
    }
  }
  return trees;
}

function prefixNode({ prefix }: EncodedSample): TreeNode {
  return { segment: prefix, parent: -1 };
}

/** The sample's branch under the tree's prefix, and its answers under the branch, which is node `index`. */
function branchNodes({ branch, id, task }: EncodedSample, index: number, answers: readonly Int32Array[]): TreeNode[] {
  const hung = answers.map((ids): TreeNode => {
    const placed = ids.subarray(0, -1);
    return { segment: { inputIds: placed, labels: new Int32Array(placed.length).fill(IGNORE_INDEX), slots: [] }, parent: index };
  });
  return [{ segment: branch, parent: 0, sampleId: id, task }, ...hung];
}

function fillRows(trees: readonly Tree[], rowTokens: number): Tree[][] {
  const rows: Tree[][] = [];
  let free = 0;
  for (const tree of trees) {
    const length = treeLength(tree);
    if (length > free) {
      rows.push([]);
      free = rowTokens;
    }
    rows.at(-1)?.push(tree);
    free -= length;
  }
  return rows;
}

function locatePrompts({ segments }: PackedRow, answersOf: AnswersOf): PlacedPrompt[] {
  return segments.flatMap(({ sampleId, start, length }, number) => {
    if (sampleId === undefined) return [];
    const end = start + length - 1;
    const placed = answersOf(sampleId).map((ids, i) => ({ promptEnd: end, start: segments[number + 1 + i]?.start ?? 0, ids }));
    return [{ sampleId, end, answers: placed }];
  });
}

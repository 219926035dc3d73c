/** @file Trees -> PackedRow: the one place where segments get their positions in a row. */
import { invariant } from "../core/errors.ts";
import type { TaskName } from "../tasks/task.ts";
import { IGNORE_INDEX } from "../text/encoded-sample.ts";
import type { EncodedSegment, MediaSlot } from "../text/encoded-sample.ts";
import type { PackedRow, RowSegment } from "./packed-row.ts";

/** A segment in a tree; nodes stand parents first, so evaluation can hang answers under a branch under a prefix. */
export interface TreeNode {
  readonly segment: EncodedSegment;
  /** Index of the parent in the tree's list; -1 for a root. */
  readonly parent: number;
  readonly sampleId?: string;
  readonly task?: TaskName;
  readonly answerTokens?: number;
}

export type Tree = readonly TreeNode[];

/** Row positions a tree takes. */
export function treeLength(tree: Tree): number {
  return tree.reduce((sum, { segment }) => sum + segment.inputIds.length, 0);
}

/** The trees one after another in a row of `rowTokens` positions; the rest is padding. They must fit. */
export function buildRow(trees: readonly Tree[], rowTokens: number): PackedRow {
  const usedTokens = trees.reduce((sum, tree) => sum + treeLength(tree), 0);
  invariant(usedTokens <= rowTokens, () => `${usedTokens} tokens in a row of ${rowTokens}`);
  const row = {
    inputIds: new Int32Array(rowTokens),
    labels: new Int32Array(rowTokens).fill(IGNORE_INDEX),
    positionIds: new Int32Array(rowTokens),
    segmentIds: new Int32Array(rowTokens),
    segments: [] as RowSegment[],
    slots: [] as MediaSlot[],
  };
  for (const tree of trees) placeTree(row, tree);
  const supervisedTokens = row.labels.reduce((count, label) => count + (label === IGNORE_INDEX ? 0 : 1), 0);
  return { ...row, supervisedTokens, usedTokens };
}

interface OpenRow extends Pick<PackedRow, "inputIds" | "labels" | "positionIds" | "segmentIds"> {
  readonly segments: RowSegment[];
  readonly slots: MediaSlot[];
}

function placeTree(row: OpenRow, tree: Tree): void {
  const firstSegment = row.segments.length;
  tree.forEach((node, index) => {
    invariant(node.parent < index, () => `node ${index} stands before its parent ${node.parent}`);
    placeNode(row, node, node.parent < 0 ? 0 : firstSegment + node.parent + 1);
  });
}

function placeNode(row: OpenRow, { segment, parent: _, ...branch }: TreeNode, parent: number): void {
  const previous = row.segments.at(-1);
  const start = previous === undefined ? 0 : previous.start + previous.length;
  const { length } = segment.inputIds;
  const firstPosition = row.segments[parent - 1] === undefined ? 0 : depthAfter(row.segments, parent);
  row.inputIds.set(segment.inputIds, start);
  row.labels.set(segment.labels, start);
  for (let i = 0; i < length; i++) row.positionIds[start + i] = firstPosition + i;
  row.segmentIds.fill(row.segments.length + 1, start, start + length);
  for (const slot of segment.slots) row.slots.push({ ...slot, position: start + slot.position });
  row.segments.push({ parent, start, length, ...branch });
}

/** Tokens from the root to the end of segment `number`: the position its children go on from. */
function depthAfter(segments: readonly RowSegment[], number: number): number {
  const segment = segments[number - 1];
  return segment === undefined ? 0 : segment.length + depthAfter(segments, segment.parent);
}

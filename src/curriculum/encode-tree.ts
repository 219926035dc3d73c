/** @file OutlineTree -> Tree: the tokens of samples that share a row and their prefix. */
import { invariant } from "../core/errors.ts";
import type { EncodedSegment } from "../text/encoded-sample.ts";
import { treeTokens } from "./outline.ts";
import type { Encoder, OutlineTree } from "./outline.ts";
import { type Tree, treeLength } from "./row.ts";

/** The prefix, and a branch for every sample. The samples must have the lengths that they were planned with. */
export function encodeTree(outlines: OutlineTree, encode: Encoder): Tree {
  const samples = encode(outlines);
  const [first] = samples;
  invariant(first !== undefined && samples.length === outlines.length, () => `${samples.length} encoded samples for ${outlines.length} outlines`);
  for (const { id, prefixKey, prefix } of samples) invariant(sameTokens(first.prefix, prefix), () => `samples of prefix "${prefixKey}" have different prefixes, see ${id}`);
  const tree: Tree = [{ segment: first.prefix, parent: -1 }, ...samples.map(({ id, task, branch, answerTokens }) => ({ segment: branch, parent: 0, sampleId: id, task, answerTokens }))];
  invariant(treeLength(tree) === treeTokens(outlines), () => `sample ${first.id} and those beside it have ${treeLength(tree)} tokens, ${treeTokens(outlines)} were planned`);
  return tree;
}

function sameTokens(a: EncodedSegment, b: EncodedSegment): boolean {
  return a === b || (a.inputIds.length === b.inputIds.length && a.inputIds.every((id, i) => id === b.inputIds[i]));
}

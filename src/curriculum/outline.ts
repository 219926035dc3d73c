/**
 * @file SampleOutline: what drawing, packing and planning need to know of a sample. Its tokens are made when its step
 * comes, so that the schedule of a large dataset takes little memory.
 */
import type { TaskName } from "../tasks/task.ts";
import type { Learned } from "../text/encode.ts";
import type { EncodedSample, EncodedSegment, MediaSlot } from "../text/encoded-sample.ts";

/** A clip that a sample looks at or listens to. */
export type ClipUse = Pick<MediaSlot, "modality" | "clip">;

export interface SampleOutline {
  readonly id: string;
  readonly task: TaskName;
  /** What is drawn for: a clip or a conversation. */
  readonly unit: string;
  /** Samples of equal key form one tree. */
  readonly prefixKey: string;
  /** Tokens of the shared prefix, and of what only this sample has. */
  readonly prefixTokens: number;
  readonly branchTokens: number;
  /** Labels where answers alone are learned: all of the branch. */
  readonly answerTokens: number;
  /** Labels where everything is learned, of the prefix, which its tree has once, and of the branch. */
  readonly prefixLabels: number;
  readonly branchLabels: number;
  /** Distinct ones. */
  readonly clips: readonly ClipUse[];
}

/** Samples of one prefix that share a row; never empty. */
export type OutlineTree = readonly SampleOutline[];

/** Tokens of the samples, in their order; those of one call that have a common prefix hold the same prefix object. */
export type Encoder = (outlines: readonly SampleOutline[]) => readonly EncodedSample[];

/** Finds, of these, what bears the ids of outlines. Over samples that are encoded already it is an Encoder. */
export function finder<T extends { readonly id: string }>(items: readonly T[]): (outlines: readonly SampleOutline[]) => T[] {
  const byId = new Map(items.map((item) => [item.id, item]));
  return (outlines) => outlines.flatMap(({ id }) => byId.get(id) ?? []);
}

const NO_CLIPS: readonly ClipUse[] = [];

/** The outline of a sample, whatever of it carries labels. */
export function outlineOf({ id, task, unit, prefixKey, prefix, branch, answerTokens }: EncodedSample): SampleOutline {
  const clips = distinctClips([...prefix.slots, ...branch.slots]);
  return { id, task, unit, prefixKey, prefixTokens: prefix.inputIds.length, branchTokens: branch.inputIds.length, answerTokens, prefixLabels: learnable(prefix), branchLabels: learnable(branch), clips };
}

/** Tokens of a sample on its own. */
export function outlineTokens({ prefixTokens, branchTokens }: SampleOutline): number {
  return prefixTokens + branchTokens;
}

/** Row positions that a tree takes. */
export function treeTokens(tree: OutlineTree): number {
  return tree.reduce((sum, { branchTokens }) => sum + branchTokens, tree[0]?.prefixTokens ?? 0);
}

/** Labels of a sample's branch. */
export function branchSupervised({ answerTokens, branchLabels }: SampleOutline, supervise: Learned): number {
  return supervise === "everything" ? branchLabels : answerTokens;
}

/** Labels of a tree. */
export function treeSupervised(tree: OutlineTree, supervise: Learned): number {
  return tree.reduce((sum, sample) => sum + branchSupervised(sample, supervise), supervise === "everything" ? (tree[0]?.prefixLabels ?? 0) : 0);
}

/** Every token but the first is predicted from those before it, unless features stand in its place. */
function learnable({ inputIds, slots }: EncodedSegment): number {
  const features = slots.reduce((sum, { position, count }) => sum + count - Number(position === 0), 0);
  return Math.max(0, inputIds.length - 1) - features;
}

function distinctClips(slots: readonly MediaSlot[]): readonly ClipUse[] {
  if (slots.length === 0) return NO_CLIPS;
  return [...new Map(slots.map(({ modality, clip }) => [`${modality} ${clip}`, { modality, clip }])).values()];
}

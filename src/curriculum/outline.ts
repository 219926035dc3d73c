/**
 * @file SampleOutline: what drawing, packing and planning need to know of a sample. Its tokens are made when its step
 * comes, so that the schedule of a large dataset takes little memory.
 */
import type { TaskName } from "../tasks/task.ts";
import type { EncodedSample, MediaSlot } from "../text/encoded-sample.ts";

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
  readonly supervisedTokens: number;
  /** Distinct ones. */
  readonly clips: readonly ClipUse[];
}

/** Samples of one prefix that share a row; never empty. */
export type OutlineTree = readonly SampleOutline[];

/** Tokens of the samples, in their order; those of one call that have a common prefix hold the same prefix object. */
export type Encoder = (outlines: readonly SampleOutline[]) => readonly EncodedSample[];

const NO_CLIPS: readonly ClipUse[] = [];

export function outlineOf({ id, task, unit, prefixKey, prefix, branch, supervisedTokens }: EncodedSample): SampleOutline {
  const clips = distinctClips([...prefix.slots, ...branch.slots]);
  return { id, task, unit, prefixKey, prefixTokens: prefix.inputIds.length, branchTokens: branch.inputIds.length, supervisedTokens, clips };
}

/** Tokens of a sample on its own. */
export function outlineTokens({ prefixTokens, branchTokens }: SampleOutline): number {
  return prefixTokens + branchTokens;
}

/** Row positions that a tree takes. */
export function treeTokens(tree: OutlineTree): number {
  return tree.reduce((sum, { branchTokens }) => sum + branchTokens, tree[0]?.prefixTokens ?? 0);
}

function distinctClips(slots: readonly MediaSlot[]): readonly ClipUse[] {
  if (slots.length === 0) return NO_CLIPS;
  return [...new Map(slots.map(({ modality, clip }) => [`${modality} ${clip}`, { modality, clip }])).values()];
}

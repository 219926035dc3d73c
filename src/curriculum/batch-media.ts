/** @file BatchMedia: the clips of a batch, decoded or as a frozen tower left them, one array per kind of input, ready to become a tensor. */
import { concatArrays } from "../core/arrays.ts";
import { invariant } from "../core/errors.ts";
import type { Clip, ClipSpec } from "../media/clip.ts";
import { normalizePixels } from "../media/pixels.ts";
import type { Batch } from "./batch.ts";

/** Equal-sized clips one after another; the clip count comes first in the shape. */
export interface ClipArray {
  readonly values: Float32Array;
  readonly shape: readonly number[];
}

export interface BatchMedia {
  /** [clips, F, Y, X, C], normalised; absent when the batch looks at no clip. */
  readonly pixels?: ClipArray;
  /** Log-mel [clips, bins, frames]; absent when the batch listens to none. */
  readonly mel?: ClipArray;
  /** In place of the pixels: patch states of a vision tower that is not trained, [clips, F, T, D]. */
  readonly patchStates?: ClipArray;
  /** In place of the mel: states of an audio tower that is not trained, [clips, T, D]. */
  readonly soundStates?: ClipArray;
}

/** The media of a batch, clips in its order. */
export function batchMedia({ videoClips, audioClips }: Pick<Batch, "videoClips" | "audioClips">, clips: ReadonlyMap<string, Clip>, spec: ClipSpec): BatchMedia {
  const pixels = (id: string): Float32Array => normalizePixels(part(clips, id, "pixels"));
  const mel = (id: string): Float32Array => part(clips, id, "mel");
  return {
    ...(videoClips.length === 0 ? {} : { pixels: { values: concatArrays(Float32Array, videoClips.map(pixels)), shape: [videoClips.length, spec.frames, spec.imageSize, spec.imageSize, 3] } }),
    ...(audioClips.length === 0 ? {} : { mel: { values: concatArrays(Float32Array, audioClips.map(mel)), shape: [audioClips.length, spec.melBins, spec.melFrames] } }),
  };
}

function part<K extends keyof Clip>(clips: ReadonlyMap<string, Clip>, id: string, kind: K): NonNullable<Clip[K]> {
  const found = clips.get(id)?.[kind];
  invariant(found !== undefined, () => `clip ${id} was not loaded with ${kind}`);
  return found;
}

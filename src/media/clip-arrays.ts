/** @file Decoded clips of a batch as one array per kind of input, ready to become a tensor. */
import { invariant } from "../core/errors.ts";
import type { Clip, ClipSpec } from "./clip.ts";
import { normalizePixels } from "./pixels.ts";

/** Equal-sized clips one after another; the clip count comes first in the shape. */
export interface ClipArray {
  readonly values: Float32Array;
  readonly shape: readonly number[];
}

/** Names of the clips that a batch looks at and listens to. */
export interface BatchClips {
  readonly videoClips: readonly string[];
  readonly audioClips: readonly string[];
}

/** Normalised pixels [clips, F, Y, X, C] and log-mel [clips, bins, frames]; absent when the batch has no such clip. */
export function batchMedia({ videoClips, audioClips }: BatchClips, clips: ReadonlyMap<string, Clip>, spec: ClipSpec): { readonly pixels?: ClipArray; readonly mel?: ClipArray } {
  const pixels = (id: string): Float32Array => normalizePixels(part(clips, id, "pixels"));
  const mel = (id: string): Float32Array => part(clips, id, "mel");
  return {
    ...(videoClips.length === 0 ? {} : { pixels: { values: joined(videoClips.map(pixels)), shape: [videoClips.length, spec.frames, spec.imageSize, spec.imageSize, 3] } }),
    ...(audioClips.length === 0 ? {} : { mel: { values: joined(audioClips.map(mel)), shape: [audioClips.length, spec.melBins, spec.melFrames] } }),
  };
}

function part<K extends keyof Clip>(clips: ReadonlyMap<string, Clip>, id: string, kind: K): NonNullable<Clip[K]> {
  const found = clips.get(id)?.[kind];
  invariant(found !== undefined, () => `clip ${id} was not loaded with ${kind}`);
  return found;
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  for (const values of parts) {
    whole.set(values, start);
    start += values.length;
  }
  return whole;
}

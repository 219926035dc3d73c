/** @file Which frames of a clip the model sees. */

/** A part of a video in frame numbers, both ends included. */
export interface FrameSpan {
  readonly first: number;
  readonly last: number;
}

/**
 * `count` frame numbers spread uniformly over a clip of `frameCount` frames, or over a part of it, each from the middle
 * of its segment; in rising order, repeated when the clip is shorter than `count`.
 *
 * @see InternVL's model cards, `get_index`: the last frame is `frameCount - 1`, rounding is numpy's (half to even).
 */
export function uniformFrameIndices(frameCount: number, count: number, { first, last }: FrameSpan = { first: 0, last: frameCount - 1 }): number[] {
  const segment = (last - first) / count;
  return Array.from({ length: count }, (_, i) => Math.trunc(first + segment / 2 + roundHalfToEven(segment * i)));
}

/** The frames from `startSeconds` to `endSeconds`, cut to those that exist, as the model cards round them. */
export function frameSpan(frameCount: number, { fps, startSeconds, endSeconds }: { fps: number; startSeconds: number; endSeconds: number }): FrameSpan {
  return { first: Math.max(0, roundHalfToEven(startSeconds * fps)), last: Math.min(roundHalfToEven(endSeconds * fps), frameCount - 1) };
}

/**
 * `count` frame numbers as InternVL's training code takes them: the middle of equal intervals with whole borders; a clip
 * shorter than `count` gives each frame once and then its last.
 *
 * @see InternVL, train/dataset.py, `get_frame_indices(sample='middle')`
 */
export function middleFrameIndices(frameCount: number, count: number): number[] {
  const taken = Math.min(count, frameCount);
  const border = (i: number): number => Math.trunc((i * frameCount) / taken);
  const indices = Array.from({ length: taken }, (_, i) => Math.floor((border(i) + border(i + 1) - 1) / 2));
  return Array.from({ length: count }, (_, i) => indices[Math.min(i, taken - 1)] ?? 0);
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

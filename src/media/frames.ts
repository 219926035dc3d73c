/** @file Which frames of a clip the model sees. */

/**
 * `count` frame numbers spread uniformly over a clip of `frameCount` frames, each from the middle of its segment; in
 * rising order, repeated when the clip is shorter than `count`.
 *
 * @see InternVL's model cards, `get_index`: the last frame is `frameCount - 1`, rounding is numpy's (half to even).
 */
export function uniformFrameIndices(frameCount: number, count: number): number[] {
  const segment = (frameCount - 1) / count;
  return Array.from({ length: count }, (_, i) => Math.trunc(segment / 2 + roundHalfToEven(segment * i)));
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

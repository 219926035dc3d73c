import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { uniformFrameIndices } from "../../src/media/frames.ts";
import { goldenPath } from "../golden/golden.ts";

test("frame numbers follow InternVL's rule by hand: 100 frames, 8 segments of 12.375", () => {
  // 6.1875 + round(12.375 i): i = 4 is round(49.5) = 50 (half to even), cut to 56
  expect(uniformFrameIndices(100, 8)).toEqual([6, 18, 31, 43, 56, 68, 80, 93]);
});

test("a clip shorter than the number of frames repeats some of them", () => {
  expect(uniformFrameIndices(5, 8)).toEqual([0, 0, 1, 2, 2, 2, 3, 4]);
  expect(uniformFrameIndices(1, 4)).toEqual([0, 0, 0, 0]);
});

test("frame numbers equal those of the published model cards", () => {
  const path = goldenPath("prompts", "expected.json");
  const expected: { card_frame_indices: { total_frames: number; bound_seconds: unknown; num_segments: number; indices: number[] }[] } = JSON.parse(readFileSync(path, "utf8"));
  const whole = expected.card_frame_indices.filter(({ bound_seconds }) => bound_seconds === null);

  expect(whole.length).toBeGreaterThanOrEqual(4);
  for (const { total_frames, num_segments, indices } of whole) expect(uniformFrameIndices(total_frames, num_segments)).toEqual(indices);
});

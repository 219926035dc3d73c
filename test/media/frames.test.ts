import { expect, test } from "vitest";
import { frameSpan, middleFrameIndices, uniformFrameIndices } from "../../src/media/frames.ts";

// Frame numbers of the model cards and of the training code: test/golden/checks/internvl-prompts.ts.

test("frame numbers follow InternVL's rule by hand: 100 frames, 8 segments of 12.375", () => {
  // 6.1875 + round(12.375 i): i = 4 is round(49.5) = 50 (half to even), cut to 56
  expect(uniformFrameIndices(100, 8)).toEqual([6, 18, 31, 43, 56, 68, 80, 93]);
});

test("a clip shorter than the number of frames repeats some of them", () => {
  expect(uniformFrameIndices(5, 8)).toEqual([0, 0, 1, 2, 2, 2, 3, 4]);
  expect(uniformFrameIndices(1, 4)).toEqual([0, 0, 0, 0]);
});

test("a part of a video is cut to the frames that exist", () => {
  expect(frameSpan(250, { fps: 10, startSeconds: 3.25, endSeconds: 11.75 })).toEqual({ first: 32, last: 118 }); // 32.5 and 117.5, half to even
  expect(frameSpan(100, { fps: 10, startSeconds: -1, endSeconds: 30 })).toEqual({ first: 0, last: 99 });
  expect(uniformFrameIndices(250, 2, { first: 100, last: 120 })).toEqual([105, 115]);
});

test("the training code's frames are the middles of equal intervals, the last one repeated", () => {
  // Borders 0 3 6 10: middles of 0..2, 3..5, 6..9.
  expect(middleFrameIndices(10, 3)).toEqual([1, 4, 7]);
  expect(middleFrameIndices(2, 4)).toEqual([0, 1, 1, 1]);
});

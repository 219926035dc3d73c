import { expect, test } from "vitest";
import { batchMedia } from "../../src/curriculum/batch-media.ts";
import type { Clip } from "../../src/media/clip.ts";

const SPEC = { frames: 1, imageSize: 1, melBins: 2, melFrames: 2 };
const CLIPS: ReadonlyMap<string, Clip> = new Map([
  ["black", { pixels: Uint8Array.of(0, 0, 0), mel: Float32Array.of(1, 2, 3, 4) }],
  ["white", { pixels: Uint8Array.of(255, 255, 255), mel: Float32Array.of(5, 6, 7, 8) }],
  ["silent", { pixels: Uint8Array.of(0, 0, 0) }],
]);

test("clips stand one after another in the order asked for, pixels normalised, sound as it is", () => {
  const { pixels, mel } = batchMedia({ videoClips: ["white", "black"], audioClips: ["black", "white"] }, CLIPS, SPEC);

  expect(pixels?.shape).toEqual([2, 1, 1, 1, 3]);
  // (1 - mean) / std and (0 - mean) / std with ImageNet's 0.485 0.456 0.406 and 0.229 0.224 0.225
  [2.2489, 2.4286, 2.64, -2.1179, -2.0357, -1.8044].forEach((value, i) => expect(pixels?.values[i]).toBeCloseTo(value, 4));
  expect(mel).toEqual({ shape: [2, 2, 2], values: Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8) });
});

test("a kind of input that the batch does not have is absent", () => {
  expect(batchMedia({ videoClips: [], audioClips: [] }, CLIPS, SPEC)).toEqual({});
  expect(Object.keys(batchMedia({ videoClips: ["silent"], audioClips: [] }, CLIPS, SPEC))).toEqual(["pixels"]);
});

test("a clip that was not decoded with what the prompt shows is an internal error", () => {
  expect(() => batchMedia({ videoClips: [], audioClips: ["silent"] }, CLIPS, SPEC)).toThrow("internal error: clip silent was not loaded with mel");
  expect(() => batchMedia({ videoClips: ["absent"], audioClips: [] }, CLIPS, SPEC)).toThrow("clip absent was not loaded with pixels");
});

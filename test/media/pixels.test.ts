import { expect, test } from "vitest";
import { readImage } from "../../src/media/images.ts";
import { normalizePixels, resizeBicubic } from "../../src/media/pixels.ts";
import { goldenPath } from "../golden/golden.ts";
import { largestDifference, readTensors } from "./fixtures.ts";

test("resized pictures equal Pillow's to the bit, shrinking and enlarging", async () => {
  const path = goldenPath("image-preprocess");
  const image = await readImage(`${path}/image.png`); // 150 x 90
  const expected = readTensors(`${path}/expected.safetensors`);

  const small = resizeBicubic(image, { width: 56, height: 56 });
  const large = resizeBicubic(image, { width: 448, height: 448 });

  expect(largestDifference(small.pixels, expected("square56.uint8"))).toBe(0);
  expect(largestDifference(large.pixels, (await readImage(`${path}/square448.png`)).pixels)).toBe(0);
  const channelsFirst = toChannelsFirst(normalizePixels(small.pixels));
  expect(largestDifference(channelsFirst, expected("square56.pixel_values"))).toBeLessThan(1e-6);
});

test("a step edge enlarged twice overshoots as Pillow's cubic does", () => {
  const step = grey([0, 0, 0, 0, 255, 255, 255, 255], 8);

  const { pixels, width, height } = resizeBicubic(step, { width: 16, height: 1 });

  expect([width, height]).toEqual([16, 1]);
  // Weights at a quarter: -0.0703125 0.8671875 0.2265625 -0.0234375; 255 * 0.203125 = 51.8, the rest clips at 0.
  expect(everyThird(pixels)).toEqual([0, 0, 0, 0, 0, 0, 0, 52, 203, 255, 255, 255, 255, 255, 255, 255]);
});

test("rows and columns are resized alike, and equal sizes change nothing", () => {
  const line = [3, 250, 17, 90, 200, 41];
  const across = resizeBicubic(grey(line, 6), { width: 4, height: 1 });
  const down = resizeBicubic(grey(line, 1), { width: 1, height: 4 });

  expect(down.pixels).toEqual(across.pixels);
  expect(new Set(across.pixels).size).toBeGreaterThan(2);
  expect(resizeBicubic(grey(line, 6), { width: 6, height: 1 }).pixels).toEqual(grey(line, 6).pixels);
});

test("normalisation is (value / 255 - mean) / std per channel, channels last", () => {
  const normalized = normalizePixels(Uint8Array.from([0, 0, 0, 255, 255, 255, 128, 64, 32]));

  const byHand = [-2.117904, -2.035714, -1.804444, 2.2489083, 2.4285714, 2.64, 0.0740646, -0.9152661, -1.2467102];
  byHand.forEach((value, i) => expect(normalized[i]).toBeCloseTo(value, 5));
});

function grey(levels: readonly number[], width: number) {
  return { pixels: Uint8Array.from(levels.flatMap((level) => [level, level, level])), width, height: levels.length / width };
}

function everyThird(pixels: Uint8Array): number[] {
  return [...pixels].filter((_, i) => i % 3 === 0);
}

function toChannelsFirst(pixels: Float32Array): number[] {
  return [0, 1, 2].flatMap((channel) => [...pixels].filter((_, i) => i % 3 === channel));
}

import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test, vi } from "vitest";
import type { Clip, ClipSpec } from "../../src/media/clip.ts";
import { loadClip } from "../../src/media/load-clip.ts";
import { probeMedia } from "../../src/media/probe.ts";
import { goldenPath } from "../golden/golden.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { H264, largestDifference, numberShown, numberedFrames, readTensors, render, rotateQuarterTurn, sine } from "./fixtures.ts";

vi.setConfig({ testTimeout: 60_000 }); // a system ffmpeg takes 0.1 s to start, and machines are shared

const SPEC: ClipSpec = { frames: 4, imageSize: 32, melBins: 80, melFrames: 200 };

test.each([
  ["mp4 with B-frames", "clip.mp4", []],
  ["mkv", "clip.mkv", []],
  ["transport stream, which starts at 1.4 s", "clip.ts", []],
  ["avi", "clip.avi", ["-bf", "0"]],
])("the wanted frames come, neither duplicated nor dropped: %s", async (_, name, options) => {
  const path = await render(join(await temporaryFolder(), name), ...numberedFrames(30), ...H264, ...options);

  const probe = await probeMedia(path);
  const shown = framesShown(await loadClip({ video: path, spec: SPEC, modalities: ["video"] }));

  expect(probe.video?.frameTimes).toHaveLength(30);
  expect(probe.video?.frameTimes[0]).toBeCloseTo(0, 3);
  expect(probe.video?.frameTimes[29]).toBeCloseTo(29 / 15, 2);
  expectFrames(shown, [3, 10, 17, 25]); // 3.625 + round(7.25 i), cut
});

test("a clip of variable frame rate is sampled over its frames", async () => {
  const kept = "select='lt(n,10)+not(mod(n,5))'"; // 0..9, 10, 15, 20, 25
  const path = await render(join(await temporaryFolder(), "vfr.mp4"), ...numberedFrames(30), "-vf", kept, "-vsync", "vfr", ...H264, "-use_editlist", "0");

  const probe = await probeMedia(path);
  const shown = framesShown(await loadClip({ video: path, spec: SPEC, modalities: ["video"] }));

  expect(probe.video?.frameTimes).toHaveLength(14);
  expect(probe.video?.frameTimes[13]).toBeCloseTo(25 / 15, 2);
  expectFrames(shown, [1, 4, 7, 15]); // places 1, 4, 7, 11 of 14: 1.625 + round(3.25 i)
});

test("a clip that starts in the middle of a group of pictures is sampled over the frames that can be decoded", async () => {
  const folder = await temporaryFolder();
  const whole = await readFile(await render(join(folder, "whole.ts"), ...numberedFrames(30), ...H264, "-g", "10"));
  const path = join(folder, "cut.ts");
  await writeFile(path, whole.subarray(10 * 188)); // transport packets of the first group

  const probe = await probeMedia(path);
  const shown = framesShown(await loadClip({ video: path, spec: SPEC, modalities: ["video"] }));

  expect(probe.video?.frameTimes.length).toBeGreaterThan(20);
  expectFrames(shown, [12, 17, 22, 26]); // of the 20 from number 10 on: 2.375 + round(4.75 i)
});

test("a clip shorter than the number of frames repeats them", async () => {
  const path = await render(join(await temporaryFolder(), "short.mp4"), ...numberedFrames(2), ...H264);

  const shown = framesShown(await loadClip({ video: path, spec: SPEC, modalities: ["video"] }));

  expectFrames(shown, [0, 0, 0, 1]); // 0.125 + round(0.25 i), half to even
});

test("a quarter turn in the file is carried out", async () => {
  // Upper half white; turned by a quarter one side is white.
  const path = join(await temporaryFolder(), "turned.mp4");
  await render(path, "-f", "lavfi", "-i", "color=black:s=64x32:d=0.4:r=10,drawbox=0:0:64:16:white:fill", ...H264);
  await rotateQuarterTurn(path);

  const probe = await probeMedia(path);
  const { pixels } = await loadClip({ video: path, spec: { ...SPEC, frames: 1 }, modalities: ["video"] });

  expect([probe.video?.width, probe.video?.height]).toEqual([32, 64]);
  const corner = (y: number, x: number): number => pixels?.[(y * 32 + x) * 3] ?? -1;
  expect([corner(2, 2), corner(29, 2)].map((v) => v > 128)).toEqual([corner(2, 2) > 128, corner(2, 2) > 128]); // one column, one colour
  expect(Math.abs(corner(2, 2) - corner(2, 29))).toBeGreaterThan(200);
});

test("frames and sound of one file come together, and each alone is the same", async () => {
  const path = await render(join(await temporaryFolder(), "both.mp4"), ...numberedFrames(30), ...sine(2), ...H264, "-c:a", "aac");

  const both = await loadClip({ video: path, spec: SPEC, modalities: ["video", "audio", "text"] });
  const video = await loadClip({ video: path, spec: SPEC, modalities: ["video"] });
  const audio = await loadClip({ video: path, spec: SPEC, modalities: ["audio"] });

  expect(both.pixels).toHaveLength(4 * 32 * 32 * 3);
  expect(both.mel).toHaveLength(80 * 200);
  expect(video).toEqual({ pixels: both.pixels });
  expect(audio).toEqual({ mel: both.mel });
  expect(loudestMel(both, 100)).toBe(11); // 440 Hz = 6.6 slaney mel; filters peak every 0.5590 mel: 11.81 - 1
});

test("sound that starts late is late in the log-mel", async () => {
  const path = await render(join(await temporaryFolder(), "late.mkv"), ...numberedFrames(30), "-itsoffset", "0.5", ...sine(1), ...H264, "-c:a", "pcm_s16le");

  const clip = await loadClip({ video: path, spec: SPEC, modalities: ["audio"] });

  const loud = Array.from({ length: 200 }, (_, frame) => (clip.mel?.[11 * 200 + frame] ?? 0) > 0.5);
  expect(loud.indexOf(true)).toBeGreaterThanOrEqual(48);
  expect(loud.indexOf(true)).toBeLessThanOrEqual(51);
});

test("sound at 16 kHz goes through ffmpeg unchanged, also beside a picture without sound", async () => {
  const folder = await temporaryFolder();
  const video = await render(join(folder, "silent.mp4"), ...numberedFrames(3), ...H264);
  const audio = goldenPath("whisper-logmel", "audio.wav");

  const clip = await loadClip({ video, audio, spec: SPEC, modalities: ["video", "audio"] });

  expect(clip.pixels).toHaveLength(4 * 32 * 32 * 3);
  expect(largestDifference(clip.mel ?? [], readTensors(goldenPath("whisper-logmel", "expected.safetensors"))("mel.unpadded"))).toBeLessThan(1e-5);
});

test("sound beyond the log-mel's length is cut", async () => {
  const audio = goldenPath("whisper-logmel", "audio.wav");

  const clip = await loadClip({ audio, spec: { ...SPEC, melFrames: 50 }, modalities: ["audio"] });

  expect(clip.mel).toHaveLength(80 * 50);
});

test("a picture that has the model's size already is not shared between frames", async () => {
  const path = await render(join(await temporaryFolder(), "exact.mp4"), ...numberedFrames(30, "32x32"), ...H264);

  expectFrames(framesShown(await loadClip({ video: path, spec: SPEC, modalities: ["video"] })), [3, 10, 17, 25]);
});

test("a folder of frames is read in natural order, a single picture fills all frames", async () => {
  const folder = join(await temporaryFolder(), "frames");
  await mkdir(folder);
  for (const number of [1, 2, 10, 11]) {
    const colour = { r: number * 10, g: number * 10, b: number * 10 };
    await sharp({ create: { width: 20, height: 10, channels: 3, background: colour } }).png().toFile(join(folder, `f${number}.png`));
  }

  const frames = await loadClip({ video: folder, spec: SPEC, modalities: ["video"] });
  const picture = await loadClip({ video: join(folder, "f10.png"), spec: SPEC, modalities: ["video"] });

  const levels = ({ pixels }: Clip): (number | undefined)[] => [0, 1, 2, 3].map((frame) => pixels?.[frame * 32 * 32 * 3]);
  expect(levels(frames)).toEqual([10, 20, 100, 100]); // places 0, 1, 2, 2: 0.375 + round(0.75 i)
  expect(levels(picture)).toEqual([100, 100, 100, 100]);
});

function framesShown({ pixels = new Uint8Array() }: Clip): number[] {
  const size = 32 * 32 * 3;
  return Array.from({ length: pixels.length / size }, (_, frame) => numberShown(pixels.subarray(frame * size, (frame + 1) * size)));
}

function expectFrames(shown: readonly number[], expected: readonly number[]): void {
  expect(shown).toHaveLength(expected.length);
  expected.forEach((number, i) => expect(Math.abs((shown[i] ?? NaN) - number)).toBeLessThan(0.3));
}

/** Mel bin with the most energy in a frame. */
function loudestMel({ mel = new Float32Array() }: Clip, frame: number): number {
  const column = Array.from({ length: 80 }, (_, bin) => mel[bin * 200 + frame] ?? 0);
  return column.indexOf(Math.max(...column));
}

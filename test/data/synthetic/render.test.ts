import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rng } from "../../../src/core/rng.ts";
import { openDataset } from "../../../src/data/dataset.ts";
import { SPLITS } from "../../../src/data/record.ts";
import { FPS, SIDE, renderClip } from "../../../src/data/synthetic/clip.ts";
import { encodeClip } from "../../../src/data/synthetic/encode.ts";
import { PROTOTYPES } from "../../../src/data/synthetic/expression.ts";
import { filmStrip } from "../../../src/data/synthetic/face.ts";
import { identitiesOf } from "../../../src/data/synthetic/identity.ts";
import { renderSyntheticDataset } from "../../../src/data/synthetic/render.ts";
import { scriptDataset } from "../../../src/data/synthetic/script.ts";
import { SAMPLE_RATE, renderVoice } from "../../../src/data/synthetic/voice.ts";
import { resolveMediaTools } from "../../../src/media/tools.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "m2se-synthetic-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("rendering stops when it is asked to, and leaves an empty folder, into which it can render again", async () => {
  const root = join(folder, "stopped");
  const stop = new AbortController();
  const progress: number[] = [];

  const rendering = renderSyntheticDataset({
    root,
    clips: 24,
    seed: 2,
    signal: stop.signal,
    onProgress: ({ done }) => {
      progress.push(done);
      stop.abort(new Error("asked to stop"));
    },
  });

  await expect(rendering).rejects.toThrow("asked to stop");
  expect(progress.length).toBeLessThan(24);
  expect(await readdir(root)).toEqual([]);
});

test("a rendered dataset opens, holds real mp4 files, and the same seed gives the same manifests, frames and sound", async () => {
  const [first, second] = [join(folder, "first"), join(folder, "second")];
  const progress: string[] = [];

  await renderSyntheticDataset({ root: first, clips: 6, seed: 2, onProgress: ({ done, total }) => progress.push(`${done}/${total}`) });
  await renderSyntheticDataset({ root: second, clips: 6, seed: 2 });

  expect(progress).toEqual(["1/6", "2/6", "3/6", "4/6", "5/6", "6/6"]);
  expect((await readdir(first)).sort()).toEqual(["clips", "dataset.json", "test.jsonl", "train.jsonl", "val.jsonl"]);
  for (const name of ["dataset.json", ...SPLITS.map((split) => `${split}.jsonl`)]) expect(await readFile(join(first, name), "utf8")).toBe(await readFile(join(second, name), "utf8"));
  const [one, two] = [await openDataset(first), await openDataset(second)];
  const { ffmpeg } = await resolveMediaTools();
  for (const split of SPLITS) {
    const utterance = one.records(split)[0]!.utterances[0]!;
    const [a, b] = [one, two].map((dataset) => decode(ffmpeg, dataset.mediaPath(utterance).video ?? ""));
    expect(a!.frames.equals(b!.frames)).toBe(true);
    expect(a!.sound.equals(b!.sound)).toBe(true);
    expect(a!.frames.length % (SIDE * SIDE * 3)).toBe(0);
    expect(a!.frames.length / (SIDE * SIDE * 3)).toBeGreaterThanOrEqual(1.5 * FPS);
    expect(a!.sound.length / 4 / SAMPLE_RATE).toBeGreaterThan(1.4);
  }
}, 30_000);

test("what is decoded is what was drawn", async () => {
  const clip = scriptDataset({ clips: 6, seed: 2 })[0]!.clips[0]!;
  const rendered = await renderClip(clip);
  const { ffmpeg } = await resolveMediaTools();
  const path = join(folder, "one.mp4");

  await encodeClip({ ffmpeg, path, side: SIDE, fps: FPS, ...rendered });

  const { frames } = decode(ffmpeg, path);
  expect(frames.length).toBe(rendered.pixels.length);
  let error = 0;
  for (let i = 0; i < frames.length; i++) error += Math.abs(frames[i]! - rendered.pixels[i]!);
  expect(error / frames.length).toBeLessThan(6); // lossy video, 8-bit steps
});

test("a folder that holds something is left alone", async () => {
  const root = join(folder, "full");
  await mkdir(root);
  await writeFile(join(root, "notes.txt"), "mine");

  await expect(renderSyntheticDataset({ root, clips: 6, seed: 1 })).rejects.toThrow(
    `ConfigError ${root}: got a folder with 1 entries, expected an empty or new one.\n  Choose another folder, or delete this one first.`,
  );
  expect(await readdir(root)).toEqual(["notes.txt"]);
});

test("when ffmpeg cannot write or start, the message names the file or the program", async () => {
  const { ffmpeg } = await resolveMediaTools();
  const request = { path: join(folder, "nowhere", "x.mp4"), side: 2, fps: 1, pixels: new Uint8Array(12), samples: new Float32Array(16000) };

  await expect(encodeClip({ ...request, ffmpeg })).rejects.toThrow(`SystemError ${request.path}: ffmpeg could not write this file: `);
  await expect(encodeClip({ ...request, ffmpeg: join(folder, "no-ffmpeg") })).rejects.toThrow(`SystemError ${join(folder, "no-ffmpeg")}: ffmpeg does not start: `);
});

test("every action unit changes the face visibly at 64 x 64, on light and dark skin, with and without glasses", async () => {
  const units = [...new Set(Object.values(PROTOTYPES).flatMap(({ core, optional, extra }): string[] => [...core, ...optional, ...extra]))].sort();
  expect(units.length).toBe(14);
  const rest = { talk: 0, blink: 0, dx: 0, dy: 0, turn: 0 };
  for (const identity of identitiesOf("test", 1).slice(0, 6)) {
    const poses = [{ ...rest, activations: {} }, ...units.map((unit) => ({ ...rest, activations: { [unit]: 0.6 } }))];
    const strip = await sharp(Buffer.from(filmStrip({ identity, poses, side: 64 }))).greyscale().raw().toBuffer();
    const frame = (index: number): Uint8Array => strip.subarray(index * 64 * 64, (index + 1) * 64 * 64);
    for (const [index, unit] of units.entries()) {
      const changed = frame(index + 1).filter((value, pixel) => Math.abs(value - frame(0)[pixel]!) > 30).length;
      expect(changed, `${unit} on ${identity.id}`).toBeGreaterThan(30);
    }
  }
});

test("voices follow the emotion: anger is the loudest, sadness the quietest, fear and surprise are high, disgust is low", () => {
  const voice = (emotion: Parameters<typeof renderVoice>[0]["emotion"]): Float32Array => renderVoice({ emotion, strength: 1, pitch: 150, seconds: 1.8, random: rng("voice", emotion) }).samples;
  const loudness = (samples: Float32Array): number => Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);

  const [anger, joy, neutral, sadness] = (["anger", "joy", "neutral", "sadness"] as const).map((emotion) => loudness(voice(emotion)));
  expect(anger).toBeGreaterThan(1.3 * joy!);
  expect(joy).toBeGreaterThan(1.3 * neutral!);
  expect(neutral).toBeGreaterThan(1.3 * sadness!);
  expect(Math.abs(pitchOf(voice("neutral")) - 150)).toBeLessThan(15);
  for (const high of ["fear", "surprise"] as const) expect(pitchOf(voice(high))).toBeGreaterThan(200);
  expect(pitchOf(voice("disgust"))).toBeLessThan(130);
});

/** Pitch in Hz at the highest autocorrelation between 70 and 400 Hz over the middle second. */
function pitchOf(samples: Float32Array): number {
  const middle = samples.subarray(4000, 20000);
  let [best, lag] = [-Infinity, 0];
  for (let shift = 40; shift <= 228; shift++) {
    let sum = 0;
    for (let i = shift; i < middle.length; i++) sum += middle[i]! * middle[i - shift]!;
    if (sum > best) [best, lag] = [sum, shift];
  }
  return SAMPLE_RATE / lag;
}

function decode(ffmpeg: string, path: string): { frames: Buffer; sound: Buffer } {
  const run = (...output: readonly string[]): Buffer => execFileSync(ffmpeg, ["-v", "error", "-i", path, ...output, "pipe:1"], { maxBuffer: 1 << 26 });
  return { frames: run("-f", "rawvideo", "-pix_fmt", "rgb24"), sound: run("-vn", "-ar", String(SAMPLE_RATE), "-f", "f32le") };
}

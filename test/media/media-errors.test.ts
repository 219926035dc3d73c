import { mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, expect, test, vi } from "vitest";
import { UserError } from "../../src/core/errors.ts";
import { loadClip } from "../../src/media/load-clip.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { H264, mediaChildren, numberedFrames, render, sine, userErrorOf } from "./fixtures.ts";

vi.setConfig({ testTimeout: 60_000 }); // a system ffmpeg takes 0.1 s to start, and machines are shared

const SPEC = { frames: 4, imageSize: 32, melBins: 80, melFrames: 200 };
const load = (video: string, modalities: readonly ("video" | "audio")[] = ["video", "audio"]) => loadClip({ video, spec: SPEC, modalities });

afterEach(() => {
  expect(mediaChildren() ?? []).toEqual([]);
});

test("a file that is not media, is empty or is not there says so", async () => {
  const folder = await temporaryFolder();
  const file = async (name: string, content: string | Uint8Array): Promise<string> => {
    await writeFile(join(folder, name), content);
    return join(folder, name);
  };
  const noise = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7919 + (i >> 3) * 104729) & 255);

  expect(await userErrorOf(load(await file("noise.mp4", noise)))).toMatch(/^MediaError .*noise\.mp4: it is (no mp4|not a video or sound file), or .*\.$/);
  expect(await userErrorOf(load(await file("text.mp4", "Dear diary,\n".repeat(50))))).toMatch(/^MediaError .*text\.mp4: it is (no mp4|not a video or sound file), or /);
  expect(await userErrorOf(load(await file("empty.mp4", "")))).toMatch(/empty\.mp4: the file is empty \(0 bytes\)\.$/);
  expect(await userErrorOf(load(join(folder, "missing.mp4")))).toMatch(/missing\.mp4: no such file\.$/);
  expect(await userErrorOf(load(join(folder, "a\0b.mp4")))).toMatch(/a\\0b\.mp4: the file name contains a NUL byte\.$/);
});

test("a folder without pictures and a pipe are refused", async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "clip.mp4"));
  execFileSync("mkfifo", [join(folder, "fifo.mp4")]);

  expect(await userErrorOf(load(join(folder, "clip.mp4"), ["video"]))).toMatch(/clip\.mp4: this is a folder without pictures, expected a video file or a folder of frames/);
  expect(await userErrorOf(loadClip({ audio: join(folder, "clip.mp4"), spec: SPEC, modalities: ["audio"] }))).toMatch(/pictures have no sound/);
  expect(await userErrorOf(load(join(folder, "fifo.mp4")))).toMatch(/fifo\.mp4: this is a pipe or a device, expected a regular file/);
});

test("a truncated mp4 is refused, whether its index is in front or behind", async () => {
  const folder = await temporaryFolder();
  const make = (name: string, ...options: string[]) => render(join(folder, name), ...numberedFrames(30), ...sine(2), ...H264, "-c:a", "aac", ...options);
  const front = await make("front.mp4", "-movflags", "+faststart");
  const behind = await make("behind.mp4");
  await expect(load(front)).resolves.toHaveProperty("pixels"); // whole, it is fine
  for (const path of [front, behind]) await truncate(path, Math.floor((await readFile(path)).length * 0.6));

  expect(await userErrorOf(load(front))).toMatch(/front\.mp4: the file is cut off: its index lists 30 video packets, \d+ are there/);
  expect(await userErrorOf(load(behind))).toMatch(/behind\.mp4: it is no mp4, or its end is cut off: the index is missing \(moov atom not found\)/);
});

test("a truncated mkv and a truncated flac are refused", async () => {
  const folder = await temporaryFolder();
  const mkv = await render(join(folder, "cut.mkv"), ...numberedFrames(30), ...H264);
  const flac = await render(join(folder, "cut.flac"), ...sine(2));
  for (const path of [mkv, flac]) await truncate(path, Math.floor((await readFile(path)).length * 0.5));

  expect(await userErrorOf(load(mkv, ["video"]))).toMatch(/cut\.mkv: the file is cut off: it announces 2\.00 s, \d\.\d\d s are there/);
  expect(await userErrorOf(load(flac, ["audio"]))).toMatch(/cut\.flac: the file is cut off: it announces 2\.00 s, \d\.\d\d s are there/);
});

test("a clip without the picture or sound that is wanted says so and what to do", async () => {
  const folder = await temporaryFolder();
  const silent = await render(join(folder, "silent.mp4"), ...numberedFrames(3), ...H264);
  const blind = await render(join(folder, "blind.m4a"), ...sine(1), "-c:a", "aac");

  expect(await userErrorOf(load(silent))).toMatch(/silent\.mp4: it has no sound\.\n {2}Name a sound file in media\.audio, or switch audio off/);
  expect(await userErrorOf(load(blind))).toMatch(/blind\.m4a: it has no picture, only sound\.$/);
  await expect(load(silent, ["video"])).resolves.toHaveProperty("pixels");
  await expect(load(blind, ["audio"])).resolves.toHaveProperty("mel");
});

test("a cover picture is not a video", async () => {
  const folder = await temporaryFolder();
  const cover = join(folder, "cover.png");
  await sharp({ create: { width: 16, height: 16, channels: 3, background: "red" } }).png().toFile(cover);
  const song = await render(join(folder, "song.mp3"), ...sine(1), "-i", cover, "-map", "0", "-map", "1", "-c:v", "copy");

  expect(await userErrorOf(load(song))).toMatch(/song\.mp3: it has no picture, only sound/);
});

test("problems of the video and of the sound file are reported together", async () => {
  const folder = await temporaryFolder();
  const message = await userErrorOf(loadClip({ video: join(folder, "v.mp4"), audio: join(folder, "a.wav"), spec: SPEC, modalities: ["video", "audio"] }));

  expect(message).toMatch(/v\.mp4: no such file\.\nMediaError .*a\.wav: no such file\.$/);
});

test("odd file names are just names", async () => {
  const folder = await temporaryFolder();
  const names = ["with space.mp4", "quo'te\".mp4", "-leading.mp4", "ünïcødé 表情.mp4", "a:b.mp4", "%03d.mp4", "pipe|semi;$(x)&.mp4", "concat:x.mp4", "new\nline.mp4"];
  const plain = await render(join(folder, "plain.mp4"), ...numberedFrames(5), ...sine(0.4), ...H264, "-c:a", "aac");
  const expected = await load(plain);
  for (const name of names) {
    await writeFile(join(folder, name), await readFile(plain));

    expect(await load(join(folder, name)), name).toEqual(expected);
  }
});

test("relative names with a dash or a colon in front work too", async () => {
  const folder = await temporaryFolder();
  const path = await render(join(folder, "plain.mp4"), ...numberedFrames(5), ...H264);
  const before = process.cwd();
  try {
    process.chdir(folder);
    for (const name of ["-x.mp4", "http:x.mp4"]) {
      await writeFile(`./${name}`, await readFile(path));
      await expect(load(name, ["video"])).resolves.toHaveProperty("pixels");
    }
  } finally {
    process.chdir(before);
  }
});

test("playlists with the name of a video are refused and open nothing", async () => {
  const folder = await temporaryFolder();
  const inner = await render(join(folder, "inner.ts"), ...numberedFrames(5), ...sine(0.4), ...H264);
  const concat = join(folder, "concat.mp4");
  await writeFile(concat, `ffconcat version 1.0\nfile '${inner}'\n`);
  const hls = join(folder, "hls.mp4");
  await writeFile(hls, `#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n${inner}\n#EXT-X-ENDLIST\n`);

  for (const path of [concat, hls]) expect(await userErrorOf(load(path))).toMatch(/mp4: its content is of a kind that is not accepted|mp4: it is (no mp4|not a video)/);
});

test("pictures: damaged, cut off, an SVG in disguise, a bomb", async () => {
  const folder = await temporaryFolder();
  const noise = Buffer.from(Uint8Array.from({ length: 200 * 200 * 3 }, (_, i) => (i * i * 31) & 255));
  const jpeg = await sharp(noise, { raw: { width: 200, height: 200, channels: 3 } }).jpeg().toBuffer();
  const cases: [string, Uint8Array, RegExp][] = [
    ["cut.jpg", jpeg.subarray(0, jpeg.length >> 1), /cut\.jpg: the picture is damaged or too large \(/],
    ["svg.jpg", Buffer.from("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"), /svg\.jpg: this is not a JPEG, PNG or WebP picture/],
    ["bomb.png", await sharp({ create: { width: 9000, height: 9000, channels: 3, background: "red" } }).png().toBuffer(), /bomb\.png: the picture is damaged or too large \(Input image exceeds pixel limit\)/],
  ];
  for (const [name, content, reason] of cases) {
    await writeFile(join(folder, name), content);
    expect(await userErrorOf(load(join(folder, name), ["video"]))).toMatch(reason);
  }
  await writeFile(join(folder, "fine.jpg"), jpeg);
  await expect(load(join(folder, "fine.jpg"), ["video"])).resolves.toHaveProperty("pixels");
});

test("a time limit ends the work with a message", async () => {
  const path = await render(join(await temporaryFolder(), "slow.mp4"), ...numberedFrames(30), ...H264);

  const message = await userErrorOf(loadClip({ video: path, spec: SPEC, modalities: ["video"], timeoutMs: 1 }));

  expect(message).toMatch(/slow\.mp4: ffprobe did not finish within 0\.001 s and was stopped/);
});

test("cancelling ends the work with the reason of the signal", async () => {
  const path = await render(join(await temporaryFolder(), "clip.mp4"), ...numberedFrames(30), ...H264);
  const reason = new Error("enough");
  const controller = new AbortController();

  const loading = loadClip({ video: path, spec: SPEC, modalities: ["video"], signal: controller.signal });
  setTimeout(() => controller.abort(reason), 5);

  await expect(loading).rejects.toBe(reason);
  await expect(loadClip({ video: path, spec: SPEC, modalities: ["video"], signal: controller.signal })).rejects.toBe(reason);
  expect(reason).not.toBeInstanceOf(UserError);
});

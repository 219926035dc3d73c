import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, test, vi } from "vitest";
import { clipKey, readCachedClip } from "../../src/media/clip-cache.ts";
import { loadClips } from "../../src/media/load-clips.ts";
import { goldenPath } from "../golden/golden.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { H264, numberedFrames, render, sine } from "./fixtures.ts";

vi.setConfig({ testTimeout: 60_000 }); // a system ffmpeg takes 0.1 s to start, and machines are shared

const SPEC = { frames: 2, imageSize: 16, melBins: 80, melFrames: 100 };
const MODALITIES = ["video", "audio"] as const;

test("neither workers nor the cache change clips, and the cache is used", async () => {
  const { sources, folder } = await threeClips();
  const options = { sources, spec: SPEC, modalities: MODALITIES };

  const plain = await loadClips({ ...options, workers: 1 });
  const missed = await loadClips({ ...options, workers: 3, cacheFolder: join(folder, "cache") });
  const hit = await loadClips({ ...options, workers: 2, cacheFolder: join(folder, "cache") });

  expect([...plain.clips.keys()]).toEqual(["a", "b", "c"]);
  expect(plain.clips.get("b")?.pixels).toHaveLength(2 * 16 * 16 * 3);
  expect(plain.clips.get("a")).not.toEqual(plain.clips.get("c"));
  expect([...missed.clips]).toEqual([...plain.clips]);
  expect([...hit.clips]).toEqual([...plain.clips]);
  expect([plain.counts, missed.counts, hit.counts]).toEqual([
    { cached: 0, decoded: 3, rebuilt: 0 },
    { cached: 0, decoded: 3, rebuilt: 0 },
    { cached: 3, decoded: 0, rebuilt: 0 },
  ]);
});

test("a damaged cache entry is noticed, whichever byte, and built again", async () => {
  const { sources, folder } = await threeClips();
  const cacheFolder = join(folder, "cache");
  const options = { sources: sources.slice(0, 1), spec: SPEC, modalities: MODALITIES, workers: 1, cacheFolder };
  const { clips } = await loadClips(options);
  const [entry] = await entriesOf(cacheFolder);
  const good = await readFile(entry ?? "");
  const flipped = (at: number): Buffer => Buffer.from(good.map((byte, i) => (i === at ? byte ^ 1 : byte)));
  const key = basename(entry ?? "", ".clip");
  const damages = [flipped(3), flipped(good.indexOf("pixels") + 9), flipped(good.length - 1), flipped(good.length >> 1), good.subarray(0, -5), Buffer.alloc(0), Buffer.concat([good, Buffer.from("x")])];

  expect(await readCachedClip(cacheFolder, key)).toEqual(clips.get("a"));
  for (const damaged of damages) {
    await writeFile(entry ?? "", damaged);
    expect(await readCachedClip(cacheFolder, key)).toBe("corrupt");
  }
  const again = await loadClips(options);
  expect(again.counts).toEqual({ cached: 0, decoded: 0, rebuilt: 1 });
  expect([...again.clips]).toEqual([...clips]);
  expect(await readFile(entry ?? "")).toEqual(good);
});

test("two runs that share a cache folder at the same time do not disturb each other", async () => {
  const { sources, folder } = await threeClips();
  const options = { sources, spec: SPEC, modalities: MODALITIES, workers: 3, cacheFolder: join(folder, "cache") };

  const [first, second] = await Promise.all([loadClips(options), loadClips(options)]);

  expect([...first.clips]).toEqual([...second.clips]);
  expect(first.clips.size).toBe(3);
  const entries = await entriesOf(options.cacheFolder);
  expect(entries).toHaveLength(3);
  expect(entries.every((path) => path.endsWith(".clip"))).toBe(true); // no temporary files left
});

test("the key follows the bytes and what is wanted of them, not the name", async () => {
  const { sources, folder } = await threeClips();
  const [a, b] = sources;
  const options = { spec: SPEC, modalities: MODALITIES };
  const key = await clipKey({ ...options, video: a?.video });
  const renamed = join(folder, "renamed.mp4");
  await rename(a?.video ?? "", renamed);

  expect(await clipKey({ ...options, video: renamed })).toBe(key);
  const audio = goldenPath("whisper-logmel", "audio.wav");
  const others = await Promise.all([
    clipKey({ ...options, video: b?.video }),
    clipKey({ ...options, video: renamed, spec: { ...SPEC, frames: 3 } }),
    clipKey({ ...options, video: renamed, spec: { ...SPEC, imageSize: 17 } }),
    clipKey({ ...options, video: renamed, spec: { ...SPEC, melFrames: 99 } }),
    clipKey({ ...options, video: renamed, modalities: ["video"] }),
    clipKey({ ...options, video: renamed, audio }),
  ]);
  expect(new Set([key, ...others]).size).toBe(7);
  const pictureOnly = { video: renamed, spec: SPEC, modalities: ["video"] as const };
  expect(await clipKey({ ...pictureOnly, audio, spec: { ...SPEC, melFrames: 99 } })).toBe(await clipKey(pictureOnly)); // sound is not looked at
});

test("bad files are collected with their ids in order, the others load", async () => {
  const { sources, folder } = await threeClips();
  await writeFile(join(folder, "bad.mp4"), "not a video");
  const withBad = [{ id: "x", video: join(folder, "nowhere.mp4") }, ...sources, { id: "y", video: join(folder, "bad.mp4") }];
  const seen: number[] = [];

  const { clips, failures } = await loadClips({
    sources: withBad,
    spec: SPEC,
    modalities: MODALITIES,
    workers: 2,
    cacheFolder: join(folder, "cache"),
    onProgress: ({ done, total }) => seen.push(done / total),
  });

  expect([...clips.keys()]).toEqual(["a", "b", "c"]);
  expect([...failures.keys()]).toEqual(["x", "y"]);
  expect(failures.get("x")?.message).toMatch(/nowhere\.mp4: no such file/);
  expect(seen).toEqual([0.2, 0.4, 0.6, 0.8, 1]);
});

test("a cache folder that cannot be written stops everything", async () => {
  const { sources, folder } = await threeClips();
  await writeFile(join(folder, "cache"), "a file where a folder should be");

  const loading = loadClips({ sources, spec: SPEC, modalities: MODALITIES, workers: 2, cacheFolder: join(folder, "cache") });

  await expect(loading).rejects.toThrow(/^SystemError .*: this path, or a parent of it, is a file, not a folder/);
});

test("cancelling stops with the reason of the signal", async () => {
  const { sources } = await threeClips();
  const controller = new AbortController();

  const loading = loadClips({ sources, spec: SPEC, modalities: MODALITIES, workers: 2, signal: controller.signal, onProgress: () => controller.abort(new Error("enough")) });

  await expect(loading).rejects.toThrow("enough");
});

async function threeClips(): Promise<{ sources: { id: string; video: string }[]; folder: string }> {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "clips"));
  const make = async (id: string, frames: number) => ({
    id,
    video: await render(join(folder, "clips", `${id}.mp4`), ...numberedFrames(frames), ...sine(frames / 15), ...H264, "-c:a", "aac"),
  });
  return { folder, sources: [await make("a", 8), await make("b", 11), await make("c", 14)] };
}

async function entriesOf(cacheFolder: string): Promise<string[]> {
  const entries = await readdir(cacheFolder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

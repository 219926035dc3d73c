import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { expect, test, vi } from "vitest";
import { DiskCache } from "../../src/core/disk-cache.ts";
import { MemoryBudget } from "../../src/core/memory-cache.ts";
import { CLIP_FOLDER, clipKeys, readCachedClip } from "../../src/media/clip-cache.ts";
import { type ClipSource, ClipStore, type ClipStoreOptions } from "../../src/media/clip-store.ts";
import type { Clip } from "../../src/media/clip.ts";
import { goldenPath } from "../golden/golden.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { H264, numberedFrames, render, sine } from "./fixtures.ts";

vi.setConfig({ testTimeout: 60_000 }); // a system ffmpeg takes 0.1 s to start, and machines are shared

const SPEC = { frames: 2, imageSize: 16, melBins: 80, melFrames: 100 };
const MODALITIES = ["video", "audio"] as const;
/** 1536 bytes of pixels and 8000 numbers of sound. */
const CLIP_BYTES = 2 * 16 * 16 * 3 + 4 * 80 * 100;

test("neither workers nor memory nor the cache change clips, and the cache is used", async () => {
  const { sources, folder } = await threeClips();
  const cacheFolder = join(folder, "cache");

  const plain = await clipsOf(sources, storeOf({}), 1);
  const missed = storeOf({ cache: await openCache(cacheFolder) });
  const missedClips = await clipsOf(sources, missed, 3);
  const hit = storeOf({ cache: await openCache(cacheFolder) });
  const hitClips = await clipsOf(sources, hit, 2);
  const forgetful = storeOf({ cache: await openCache(cacheFolder), memory: new MemoryBudget(0) });
  const again = [...(await clipsOf(sources, forgetful, 2)), ...(await clipsOf(sources, forgetful, 2))];

  expect([...plain.keys()]).toEqual(["a", "b", "c"]);
  expect(plain.get("b")?.pixels).toHaveLength(2 * 16 * 16 * 3);
  expect(plain.get("a")).not.toEqual(plain.get("c"));
  expect([...missedClips]).toEqual([...plain]);
  expect([...hitClips]).toEqual([...plain]);
  expect(again).toEqual([...plain, ...plain]);
  expect([missed.counts, hit.counts, forgetful.counts]).toEqual([
    { cached: 0, decoded: 3, rebuilt: 0 },
    { cached: 3, decoded: 0, rebuilt: 0 },
    { cached: 6, decoded: 0, rebuilt: 0 },
  ]);
});

test("memory holds as many clips as fit, the last used ones, and a clip in passing takes no room", async () => {
  const { sources, folder } = await threeClips();
  const cache = await openCache(join(folder, "cache"));
  const store = storeOf({ cache, memory: new MemoryBudget(2 * CLIP_BYTES) });
  await store.survey({ sources, workers: 1 });
  const readsOf = async (...ids: readonly string[]): Promise<number> => {
    const before = store.counts.cached;
    for (const id of ids) await store.clip(id);
    return store.counts.cached - before;
  };

  expect(await readsOf("b", "c", "b")).toBe(0); // the survey left the last two
  expect(await readsOf("a")).toBe(1); // pushes c out: b was used after it
  expect(await readsOf("b")).toBe(0);
  await store.passing("c");
  expect(await readsOf("a", "b")).toBe(0);
  expect(await readsOf("c")).toBe(1);
});

test("a damaged cache entry is noticed, whichever byte, counted, and built again", async () => {
  const { sources, folder } = await threeClips();
  const cacheFolder = join(folder, "cache");
  const cache = await openCache(cacheFolder);
  const clips = await clipsOf(sources.slice(0, 1), storeOf({ cache }), 1);
  const [entry] = await entriesOf(cacheFolder);
  const good = await readFile(entry ?? "");
  const flipped = (at: number): Buffer => Buffer.from(good.map((byte, i) => (i === at ? byte ^ 1 : byte)));
  const key = basename(entry ?? "", ".clip");
  const damages = [flipped(3), flipped(good.indexOf("pixels") + 2), flipped(good.indexOf("pixels") + 9), flipped(good.length - 1), flipped(good.length >> 1), good.subarray(0, -5), Buffer.alloc(0), Buffer.concat([good, Buffer.from("x")])];

  expect(await readCachedClip(cache, key)).toEqual(clips.get("a"));
  for (const damaged of damages) {
    await writeFile(entry ?? "", damaged);
    expect(await readCachedClip(cache, key)).toBe("corrupt");
  }
  const again = storeOf({ cache });
  expect([...(await clipsOf(sources.slice(0, 1), again, 1))]).toEqual([...clips]);
  expect(again.counts).toEqual({ cached: 0, decoded: 0, rebuilt: 1 });
  expect(cache.damaged).toBe(1);
  expect(await readFile(entry ?? "")).toEqual(good);
});

test("two runs that share a cache folder at the same time do not disturb each other", async () => {
  const { sources, folder } = await threeClips();
  const cacheFolder = join(folder, "cache");
  const run = async (): Promise<Map<string, Clip>> => clipsOf(sources, storeOf({ cache: await openCache(cacheFolder) }), 3);

  const [first, second] = await Promise.all([run(), run()]);

  expect([...first]).toEqual([...second]);
  expect(first.size).toBe(3);
  const entries = await entriesOf(cacheFolder);
  expect(entries).toHaveLength(3);
  expect(entries.every((path) => path.endsWith(".clip"))).toBe(true); // no temporary files left
});

test("the keys follow the bytes and what is wanted of them, not the name", async () => {
  const { sources, folder } = await threeClips();
  const [a, b] = sources;
  const options = { spec: SPEC, modalities: MODALITIES };
  const keyOf = async (wanted: Parameters<typeof clipKeys>[0]): Promise<string> => (await clipKeys(wanted)).clip;
  const key = await keyOf({ ...options, video: a?.video });
  const renamed = join(folder, "renamed.mp4");
  await rename(a?.video ?? "", renamed);

  expect(await keyOf({ ...options, video: renamed })).toBe(key);
  const audio = goldenPath("whisper-logmel", "audio.wav");
  const others = await Promise.all([
    keyOf({ ...options, video: b?.video }),
    keyOf({ ...options, video: renamed, spec: { ...SPEC, frames: 3 } }),
    keyOf({ ...options, video: renamed, spec: { ...SPEC, imageSize: 17 } }),
    keyOf({ ...options, video: renamed, spec: { ...SPEC, melFrames: 99 } }),
    keyOf({ ...options, video: renamed, modalities: ["video"] }),
    keyOf({ ...options, video: renamed, audio }),
  ]);
  expect(new Set([key, ...others]).size).toBe(7);
  const pictureOnly = { video: renamed, spec: SPEC, modalities: ["video"] as const };
  expect(await keyOf({ ...pictureOnly, audio, spec: { ...SPEC, melFrames: 99 } })).toBe(await keyOf(pictureOnly)); // sound is not looked at
});

test("a part's key does not depend on what else is wanted", async () => {
  const { sources: [a, b] } = await threeClips();
  const both = await clipKeys({ spec: SPEC, modalities: MODALITIES, video: a?.video });
  const picture = await clipKeys({ spec: { ...SPEC, melFrames: 7 }, modalities: ["video"], video: a?.video });
  const sound = await clipKeys({ spec: { ...SPEC, frames: 7 }, modalities: ["audio"], video: a?.video });

  expect(picture).toEqual({ clip: both.video, video: both.video });
  expect(sound).toEqual({ clip: both.audio, audio: both.audio });
  expect(new Set(Object.values(both)).size).toBe(3);
  const soundFile = await clipKeys({ spec: SPEC, modalities: MODALITIES, video: a?.video, audio: b?.video });
  expect([soundFile.video === both.video, soundFile.audio === both.audio]).toEqual([true, false]);
});

test("bad files are collected with their ids in order, the others load", async () => {
  const { sources, folder } = await threeClips();
  await writeFile(join(folder, "bad.mp4"), "not a video");
  const withBad = [{ id: "x", video: join(folder, "nowhere.mp4") }, ...sources, { id: "y", video: join(folder, "bad.mp4") }];
  const seen: number[] = [];
  const store = storeOf({ cache: await openCache(join(folder, "cache")) });

  const failures = await store.survey({ sources: withBad, workers: 2, onProgress: ({ done, total }) => seen.push(done / total) });

  expect(store.counts.decoded).toBe(3);
  expect([...failures.keys()]).toEqual(["x", "y"]);
  expect(failures.get("x")?.message).toMatch(/nowhere\.mp4: no such file/);
  expect(seen).toEqual([0.2, 0.4, 0.6, 0.8, 1]);
});

test("what is known to be readable is not decoded before somebody asks for it", async () => {
  const { sources, folder } = await threeClips();
  const store = storeOf({ cache: await openCache(join(folder, "cache")) });
  const { clip: known } = await clipKeys({ spec: SPEC, modalities: MODALITIES, ...sources[1] });

  await store.survey({ sources, workers: 1, isKnown: ({ clip }) => clip === known });
  expect(store.counts.decoded).toBe(2);
  await store.clip("b");
  expect(store.counts.decoded).toBe(3);
});

test("a cache folder that cannot be written stops everything", async () => {
  const { sources, folder } = await threeClips();
  const cacheFolder = join(folder, "cache");
  const store = storeOf({ cache: await openCache(cacheFolder) });
  await writeFile(cacheFolder, "a file where a folder should be");

  const expected = /^SystemError .*: this path, or a parent of it, is a file, not a folder/;
  await expect(store.survey({ sources, workers: 2 })).rejects.toThrow(expected);
  await expect(openCache(cacheFolder)).rejects.toThrow(expected);
});

test("cancelling stops with the reason of the signal", async () => {
  const { sources } = await threeClips();
  const controller = new AbortController();

  const surveying = storeOf({}).survey({ sources, workers: 2, signal: controller.signal, onProgress: () => controller.abort(new Error("enough")) });

  await expect(surveying).rejects.toThrow("enough");
});

function storeOf(options: Partial<ClipStoreOptions>): ClipStore {
  return new ClipStore({ spec: SPEC, modalities: MODALITIES, memory: new MemoryBudget(1e6), writes: "decoded clips", ...options });
}

function openCache(folder: string): Promise<DiskCache> {
  return DiskCache.open({ folder, mostBytes: 1e8, kinds: [CLIP_FOLDER] });
}

async function clipsOf(sources: readonly ClipSource[], store: ClipStore, workers: number): Promise<Map<string, Clip>> {
  expect((await store.survey({ sources, workers })).size).toBe(0);
  const clips = new Map<string, Clip>();
  for (const { id } of sources) clips.set(id, await store.clip(id));
  return clips;
}

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

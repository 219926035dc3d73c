import { mkdir, readFile, realpath, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { probeMedia } from "../../../src/media/probe.ts";
import { inspectClip } from "../../../src/data/probing/inspect-clip.ts";
import type { ClipFacts, InspectOptions } from "../../../src/data/probing/inspect-clip.ts";
import { temporaryFolder } from "../../temporary-folder.ts";
import { sharedData, testOnRealFiles } from "../shared-data.ts";
import { boxOf, CLIP, patched } from "./clips.ts";

const LIMITS = { minSeconds: 0.2, minFrames: 2, maxSeconds: 30 };

async function inspect(content: string | Uint8Array, { name = "clip.mp4", ...options }: Partial<InspectOptions> & { readonly name?: string } = {}): Promise<ClipFacts> {
  const realRoot = await realpath(await temporaryFolder());
  await writeFile(join(realRoot, name), content);
  return inspectClip({ realRoot, path: name }, { limits: LIMITS, probe: "header", ...options });
}

test("a good clip's length and frames are those that ffprobe counts", async () => {
  const root = await realpath(await temporaryFolder());
  await writeFile(join(root, "clip.mp4"), CLIP);

  const facts = await inspectClip({ realRoot: root, path: "clip.mp4" }, { limits: LIMITS, probe: "header" });
  const probe = await probeMedia(join(root, "clip.mp4"));

  expect(facts).toMatchObject({ status: "ok", bytes: CLIP.length });
  expect(Math.abs((facts.seconds ?? 0) - probe.durationSeconds)).toBeLessThan(0.1);
  const frames = probe.video?.frameTimes.length ?? 0;
  expect(frames).toBeGreaterThan(2);
  expect((await inspect(CLIP, { limits: { ...LIMITS, minFrames: frames } })).status).toBe("ok");
  expect(await inspect(CLIP, { limits: { ...LIMITS, minFrames: frames + 1 } })).toMatchObject({ status: "too-short", what: `it has ${frames} frames, expected at least ${frames + 1}` });
});

test("the limits of length decide", async () => {
  expect((await inspect(CLIP, { limits: { ...LIMITS, minSeconds: 1000, maxSeconds: 2000 } })).what).toMatch(/^it is \d+\.\d{3} s long, expected at least 1000 s$/);
  expect((await inspect(CLIP, { limits: { ...LIMITS, maxSeconds: 0.5 } })).what).toMatch(/^it is \d+\.\d s long, expected at most 0\.5 s$/);
});

test("a clip that lost its end is unreadable, wherever its index stands", async () => {
  const { at } = boxOf(CLIP, "moov");
  const indexFirst = at < boxOf(CLIP, "mdat").at;
  const halved = await inspect(CLIP.subarray(0, Math.floor(CLIP.length / 2)));
  const lastByte = await inspect(CLIP.subarray(0, CLIP.length - 1));

  expect(halved.status).toBe("unreadable");
  expect(halved.what).toMatch(indexFirst ? /^the file is cut off: its index reaches to byte \d+, it has \d+$/ : /moov atom not found/);
  expect(lastByte.status).toBe("unreadable");
});

test("a clip without index says so, as MELD's dia125_utt3 does", async () => {
  const { at } = boxOf(CLIP, "moov");

  expect(await inspect(patched(CLIP, (copy) => copy.write("free", at + 4, "latin1")))).toMatchObject({ status: "unreadable", what: "it is no mp4, or its end is cut off: the index is missing (moov atom not found)" });
});

test("a clip whose sound track is not one has no sound", async () => {
  const at = CLIP.indexOf("soun");

  expect(at).toBeGreaterThan(0);
  expect(await inspect(patched(CLIP, (copy) => copy.write("text", at, "latin1")))).toMatchObject({ status: "no-audio", what: "it has no sound" });
});

test("a damaged index is a fault of the file, never an exception", async () => {
  const { at, length } = boxOf(CLIP, "moov");
  const outcomes = await Promise.all(Array.from({ length: 40 }, (_, i) => inspect(patched(CLIP, (copy) => copy.fill(0xff, at + 8 + Math.floor((i * (length - 12)) / 40), at + 12 + Math.floor((i * (length - 12)) / 40))))));

  expect(outcomes.length).toBe(40);
  expect(outcomes.some(({ status }) => status === "unreadable")).toBe(true);
});

test.each([
  ["#EXTM3U\nother.mp4", "it is a playlist (m3u), which opens other files"],
  ["ffconcat version 1.0\nfile x", "it is a playlist (ffconcat), which opens other files"],
  ["#!/bin/sh\nrm -r /", "it is a script"],
  ["<!DOCTYPE html><html>", "it is a web page: the download went wrong"],
  ["version https://git-lfs.github.com/spec/v1\noid", "it is a Git LFS pointer: the clip itself was not fetched"],
  ["just words", 'it is a text file ("just words")'],
  [Buffer.from([0, 5, 0x16, 7, 0, 2, 0, 0]), "it is an AppleDouble stub (what macOS writes beside a file), not the file itself"],
  ["", "the file is empty (0 bytes)"],
])("a file in disguise is unreadable: %#", async (content, what) => {
  expect(await inspect(content)).toMatchObject({ status: "unreadable", what });
});

test("paths and links that leave the root are not followed", async () => {
  const root = await realpath(await temporaryFolder());
  const outside = await temporaryFolder();
  await writeFile(join(outside, "clip.mp4"), CLIP);
  await mkdir(join(root, "real"));
  await writeFile(join(root, "real", "clip.mp4"), CLIP);
  await symlink(join(outside, "clip.mp4"), join(root, "out.mp4"));
  await symlink(join(root, "real"), join(root, "in"));
  const status = async (path: string): Promise<string> => (await inspectClip({ realRoot: root, path }, { limits: LIMITS, probe: "none" })).status;

  expect(await Promise.all(["out.mp4", "../x.mp4", "/etc/passwd", "in/clip.mp4", "nowhere.mp4", "real/clip.mp4/x"].map(status))).toEqual(["unsafe-path", "unsafe-path", "unsafe-path", "ok", "no-file", "no-file"]);
});

test("equal files have equal fingerprints, different files different ones", async () => {
  const other = join(import.meta.dirname, "../../../data/fixture/clips/test0001_utt2.mp4");
  const [one, same, different] = await Promise.all([inspect(CLIP), inspect(CLIP, { name: "copy.mp4" }), inspect(await readFile(other))]);

  expect(one.fingerprint).toMatch(/^[0-9a-f]{32}$/);
  expect(same.fingerprint).toBe(one.fingerprint);
  expect(different.fingerprint).not.toBe(one.fingerprint);
});

testOnRealFiles("real clips of other makers are read, containers without boxes by ffprobe", async () => {
  const realRoot = await realpath(sharedData("media"));
  const look = (path: string, wants: "video" | "audio" = "video"): Promise<ClipFacts> => inspectClip({ realRoot, path }, { limits: LIMITS, probe: "header", wants });

  expect(await look("WolfgangLanger_Pexels.mp4")).toMatchObject({ status: "ok", seconds: expect.closeTo(19.685, 1) });
  expect(await look("single_face.mp4")).toMatchObject({ status: "ok", seconds: expect.closeTo(2.4, 1) });
  expect(await look("no_face.mp4")).toMatchObject({ status: "ok", seconds: expect.closeTo(3.945, 2) });
  expect(await look("jfk.flac")).toMatchObject({ status: "unreadable", what: "it has no video stream" });
  expect(await look("jfk.flac", "audio")).toMatchObject({ status: "ok", seconds: expect.closeTo(11, 1) });
});

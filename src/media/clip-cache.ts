/**
 * @file Decoded clips on disk, content-addressed: the key is made of the media bytes, what is wanted of them and the
 * version of this code, so an entry is never out of date. Entries are written atomically and checked when read; two
 * processes may share a folder.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseEntry, renderEntry } from "../core/cache-entry.ts";
import type { DiskCache } from "../core/disk-cache.ts";
import { sha256 } from "../core/hash.ts";
import type { Clip } from "./clip.ts";
import { isImageName, listFrames } from "./images.ts";
import type { LoadClipOptions } from "./load-clip.ts";
import { statMedia, unreadable } from "./media-error.ts";

/** To be raised with every change of the numbers that decoding gives. */
const CACHE_VERSION = 1;

/** Where clips lie in a cache folder. */
export const CLIP_FOLDER = "clips";

/** Lower-case hex. A part's key does not depend on what else is wanted; absent parts are not wanted. */
export interface ClipKeys {
  readonly clip: string;
  readonly video?: string;
  readonly audio?: string;
}

/**
 * The keys of a clip and of its parts.
 *
 * @throws UserError (MediaError) when a file cannot be read.
 */
export async function clipKeys(options: LoadClipOptions): Promise<ClipKeys> {
  const wanted = { video: options.modalities.includes("video"), audio: options.modalities.includes("audio") };
  const hashes = await mediaHashes(options, wanted);
  const keyOf = (of: Wanted): string => wantedKey(hashes, options, of);
  return {
    clip: keyOf(wanted),
    ...(wanted.video ? { video: keyOf({ video: true, audio: false }) } : {}),
    ...(wanted.audio ? { audio: keyOf({ video: false, audio: true }) } : {}),
  };
}

interface Wanted {
  readonly video: boolean;
  readonly audio: boolean;
}

interface MediaHashes {
  readonly video?: string;
  readonly audio?: string;
}

/** Of the files that are looked at. */
async function mediaHashes({ video, audio, signal }: LoadClipOptions, wanted: Wanted): Promise<MediaHashes> {
  const usesVideo = wanted.video || (wanted.audio && audio === undefined);
  return {
    ...(usesVideo && video !== undefined ? { video: await hashMedia(video, signal) } : {}),
    ...(wanted.audio && audio !== undefined ? { audio: await hashMedia(audio, signal) } : {}),
  };
}

/** Sound is the video's unless there is a sound file. */
function wantedKey(hashes: MediaHashes, { audio, spec }: LoadClipOptions, wanted: Wanted): string {
  const { frames, imageSize, melBins, melFrames } = spec;
  const usesVideo = wanted.video || (wanted.audio && audio === undefined);
  return sha256(
    JSON.stringify({
      version: CACHE_VERSION,
      video: (usesVideo ? hashes.video : undefined) ?? null,
      audio: (wanted.audio ? hashes.audio : undefined) ?? null,
      pixels: wanted.video ? [frames, imageSize] : null,
      mel: wanted.audio ? [melBins, melFrames] : null,
    }),
  );
}

/** The clip of a key; "absent" when it was never stored, "corrupt" when its file is not what was written. */
export async function readCachedClip(cache: DiskCache, key: string): Promise<Clip | "absent" | "corrupt"> {
  const content = await cache.read(clipFileName(key));
  if (content === undefined) return "absent";
  const parts = parseEntry(content, key, ["pixels", "mel"]);
  if (parts === undefined) return "corrupt";
  return {
    ...(parts.pixels === undefined ? {} : { pixels: new Uint8Array(parts.pixels) }),
    ...(parts.mel === undefined ? {} : { mel: new Float32Array(new Uint8Array(parts.mel).buffer) }),
  };
}

/** @throws UserError (SystemError): disk full, no permission. */
export async function writeCachedClip(cache: DiskCache, key: string, { pixels, mel }: Clip): Promise<void> {
  await cache.write(clipFileName(key), renderEntry(key, { pixels, mel: mel && new Uint8Array(mel.buffer, mel.byteOffset, mel.byteLength) }));
}

/** Two levels, so that no folder gets too many files. */
export function clipFileName(key: string): string {
  return join(CLIP_FOLDER, key.slice(0, 2), `${key}.clip`);
}

/** Hash of a file's bytes, or of the names and bytes of a folder's pictures; big files are streamed. */
async function hashMedia(path: string, signal: AbortSignal | undefined): Promise<string> {
  if ((await statMedia(path)) === "folder") {
    const parts: string[] = [];
    for (const frame of await listFrames(path)) parts.push(basename(frame), await hashFile(frame, signal));
    return sha256(JSON.stringify(parts));
  }
  // The name's ending decides whether a file is read as a picture, so it belongs to what is decoded.
  return `${isImageName(path) ? "picture" : "stream"}:${await hashFile(path, signal)}`;
}

async function hashFile(path: string, signal: AbortSignal | undefined): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path), hash, { signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw unreadable(path, error);
  });
  return hash.digest("hex");
}

/**
 * @file Decoded clips on disk, content-addressed: the key is made of the media bytes, what is wanted of them and the
 * version of this code, so an entry is never out of date. Entries are written atomically and checked when read; two
 * processes may share a folder.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { z } from "zod";
import { describeSystemError, writeFileAtomic } from "../core/files.ts";
import { sha256 } from "../core/hash.ts";
import type { Clip } from "./clip.ts";
import { isImageName, listFrames } from "./images.ts";
import type { LoadClipOptions } from "./load-clip.ts";
import { statMedia, unreadable } from "./media-error.ts";

/** To be raised with every change of the numbers that decoding gives. */
const CACHE_VERSION = 1;

/**
 * The key of a clip: lower-case hex.
 *
 * @throws UserError (MediaError) when a file cannot be read.
 */
export async function clipKey({ video, audio, spec, modalities, signal }: LoadClipOptions): Promise<string> {
  const wantsVideo = modalities.includes("video");
  const wantsAudio = modalities.includes("audio");
  const usesVideo = video !== undefined && (wantsVideo || (wantsAudio && audio === undefined));
  const usesAudio = audio !== undefined && wantsAudio;
  const { frames, imageSize, melBins, melFrames } = spec;
  return sha256(
    JSON.stringify({
      version: CACHE_VERSION,
      video: usesVideo ? await hashMedia(video, signal) : null,
      audio: usesAudio ? await hashMedia(audio, signal) : null,
      pixels: wantsVideo ? [frames, imageSize] : null,
      mel: wantsAudio ? [melBins, melFrames] : null,
    }),
  );
}

/** The clip of a key; "absent" when it was never stored, "corrupt" when its file is not what was written. */
export async function readCachedClip(folder: string, key: string): Promise<Clip | "absent" | "corrupt"> {
  const content = await readFile(entryPath(folder, key)).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw describeSystemError(error, folder);
  });
  if (content === undefined) return "absent";
  return parseEntry(content, key) ?? "corrupt";
}

/** @throws UserError (SystemError): disk full, no permission. */
export async function writeCachedClip(folder: string, key: string, { pixels, mel }: Clip): Promise<void> {
  const payload = [pixels ?? new Uint8Array(), mel === undefined ? new Uint8Array() : new Uint8Array(mel.buffer, mel.byteOffset, mel.byteLength)];
  const header: Header = { key, pixels: pixels?.byteLength ?? null, mel: mel?.byteLength ?? null, sha256: sha256(...payload) };
  await writeFileAtomic(entryPath(folder, key), [Buffer.from(`${JSON.stringify(header)}\n`), ...payload]);
}

const headerSchema = z.strictObject({
  key: z.string(),
  /** Bytes; null when absent. */
  pixels: z.number().int().nonnegative().nullable(),
  mel: z.number().int().nonnegative().multipleOf(4).nullable(),
  sha256: z.string(),
});
type Header = z.infer<typeof headerSchema>;

function parseEntry(content: Buffer, key: string): Clip | undefined {
  const headerEnd = content.indexOf("\n");
  const header = parseHeader(content.toString("utf8", 0, Math.max(0, headerEnd)));
  const payload = content.subarray(headerEnd + 1);
  if (header?.key !== key || header.sha256 !== sha256(payload)) return undefined;
  const pixelBytes = header.pixels ?? 0;
  if (payload.length !== pixelBytes + (header.mel ?? 0)) return undefined;
  return {
    ...(header.pixels === null ? {} : { pixels: new Uint8Array(payload.subarray(0, pixelBytes)) }),
    ...(header.mel === null ? {} : { mel: new Float32Array(new Uint8Array(payload.subarray(pixelBytes)).buffer) }),
  };
}

function parseHeader(text: string): Header | undefined {
  try {
    return headerSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // not JSON: the entry counts as corrupt and is built again
  }
}

/** Two levels, so that no folder gets too many files. */
function entryPath(folder: string, key: string): string {
  return join(folder, "clips", key.slice(0, 2), `${key}.clip`);
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

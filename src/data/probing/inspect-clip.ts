/** @file What a clip's file is by its header: usable, or why not. Never throws for what a file may be. */
import { createHash } from "node:crypto";
import { open, realpath, stat } from "node:fs/promises";
import type { FileHandle } from "node:fs/promises";
import { extname, isAbsolute, join, sep } from "node:path";
import { UserError } from "../../core/errors.ts";
import { probeMedia } from "../../media/probe.ts";
import type { MediaStatus } from "../record.ts";
import { disguise } from "./disguise.ts";
import { readMp4Header } from "./mp4.ts";

export interface ClipLimits {
  readonly minSeconds: number;
  readonly minFrames: number;
  readonly maxSeconds: number;
}

export interface ClipFacts {
  readonly status: MediaStatus;
  /** Why it is not "ok", without a full stop. */
  readonly what?: string;
  readonly seconds?: number;
  /** Equal for equal contents, different for different ones, short of intent: made from the table of sample sizes, or the file's beginning and length. */
  readonly fingerprint?: string;
  readonly bytes?: number;
}

export interface ClipPlace {
  /** The media root with links resolved. */
  readonly realRoot: string;
  /** As in `media.video`. */
  readonly path: string;
}

/** Why a path may not be opened whatever is there, without a full stop; undefined when it may. */
export function pathFault(path: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(path)) return `got the address "${path}", expected a file below the root`;
  if (isAbsolute(path) || /^[A-Za-z]:/.test(path)) return `got the absolute path "${path}", expected one relative to the root`;
  if (path.includes("\\") || path.includes("\0")) return `got "${path}", a character that paths may not hold`;
  if (path.split("/").includes("..")) return `got "${path}", which leaves the dataset's root`;
  return undefined;
}

export interface InspectOptions {
  readonly limits: ClipLimits;
  readonly probe: "header" | "none";
  /** `audio`: a sound file, of which no picture is expected. */
  readonly wants?: "video" | "audio";
  readonly signal?: AbortSignal | undefined;
}

/** Looks at a clip. `header` reads the file's header (ffprobe for containers other than mp4 and mov), `none` only whether it is there. */
export async function inspectClip(place: ClipPlace, { limits, probe, signal, wants = "video" }: InspectOptions): Promise<ClipFacts> {
  const fault = pathFault(place.path);
  if (fault !== undefined) return { status: "unsafe-path", what: fault };
  const path = join(place.realRoot, place.path);
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined) return { status: "no-file", what: "no such file" };
  if (!real.startsWith(place.realRoot.endsWith(sep) ? place.realRoot : place.realRoot + sep)) return { status: "unsafe-path", what: `"${place.path}" is a link that leaves the dataset's root` };
  const found = await stat(real).catch(() => undefined);
  if (found === undefined) return { status: "no-file", what: "no such file" };
  if (found.isDirectory() || IMAGES.has(extname(path).toLowerCase())) return { status: "no-audio", what: found.isDirectory() ? "a folder of pictures has no sound" : "a picture has no sound" };
  if (!found.isFile()) return { status: "unreadable", what: "this is a pipe or a device, expected a regular file" };
  if (found.size === 0) return { status: "unreadable", what: "the file is empty (0 bytes)" };
  if (probe === "none") return { status: "ok", bytes: found.size };
  const file = await open(real).catch(() => undefined);
  if (file === undefined) return { status: "unreadable", what: "permission denied" };
  try {
    return await readHeader(file, { path: real, bytes: found.size, limits, wants, signal });
  } finally {
    await file.close();
  }
}

const IMAGES = new Set([".jpg", ".jpeg", ".png", ".webp", ".bmp"]);
const START_BYTES = 4096;

interface OpenClip {
  readonly path: string;
  readonly bytes: number;
  readonly limits: ClipLimits;
  readonly wants: "video" | "audio";
  readonly signal: AbortSignal | undefined;
}

async function readHeader(file: FileHandle, clip: OpenClip): Promise<ClipFacts> {
  const { bytes } = clip;
  const start = await readStart(file, START_BYTES);
  const other = disguise(start);
  if (other !== undefined) return { status: "unreadable", what: `it is ${other}`, bytes };
  if (!isMp4(start)) return probeWithFfprobe(file, clip);
  const header = await readMp4Header(file, bytes);
  if (header.kind === "unknown") return probeWithFfprobe(file, clip);
  if (header.kind === "damaged") return { status: "unreadable", what: header.what, bytes };
  const video = header.tracks.find(({ kind }) => kind === "video");
  const audio = header.tracks.find(({ kind }) => kind === "audio");
  const seconds = Math.max(0, ...header.tracks.map((track) => track.seconds));
  return judge({ frames: video?.samples, hasAudio: audio !== undefined && audio.samples > 0, seconds, fingerprint: header.fingerprint, bytes }, clip);
}

async function readStart(file: FileHandle, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
  return buffer.subarray(0, bytesRead);
}

/** Files of this family begin with one of these boxes. */
function isMp4(start: Buffer): boolean {
  return ["ftyp", "moov", "mdat", "wide", "free", "skip"].includes(start.toString("latin1", 4, 8));
}

async function probeWithFfprobe(file: FileHandle, clip: OpenClip): Promise<ClipFacts> {
  const { path, bytes, signal } = clip;
  try {
    const probe = await probeMedia(path, { signal });
    const fingerprint = createHash("sha256").update(String(bytes)).update(await readStart(file, 1 << 18)).digest("hex").slice(0, 32);
    return judge({ frames: probe.video?.frameTimes.length, hasAudio: probe.audio !== undefined, seconds: probe.durationSeconds, fingerprint, bytes }, clip);
  } catch (error) {
    // A file's fault is a status; a missing ffprobe or the user's stop is not.
    if (!(error instanceof UserError) || error.name !== "MediaError") throw error;
    return { status: "unreadable", what: error.problems[0]?.what ?? error.message, bytes };
  }
}

interface Measured {
  /** Undefined without a video stream. */
  readonly frames: number | undefined;
  readonly hasAudio: boolean;
  readonly seconds: number;
  readonly fingerprint: string;
  readonly bytes: number;
}

function judge({ frames, hasAudio, seconds, fingerprint, bytes }: Measured, { limits: { minSeconds, minFrames, maxSeconds }, wants }: Pick<OpenClip, "limits" | "wants">): ClipFacts {
  const facts = { seconds, fingerprint, bytes };
  if (wants === "audio") return hasAudio ? { status: "ok", ...facts } : { status: "unreadable", what: "it has no sound stream", ...facts };
  if (frames === undefined) return { status: "unreadable", what: "it has no video stream", ...facts };
  if (seconds < minSeconds) return { status: "too-short", what: `it is ${seconds.toFixed(3)} s long, expected at least ${minSeconds} s`, ...facts };
  if (frames < minFrames) return { status: "too-short", what: `it has ${frames} frames, expected at least ${minFrames}`, ...facts };
  if (seconds > maxSeconds) return { status: "too-long", what: `it is ${seconds.toFixed(1)} s long, expected at most ${maxSeconds} s`, ...facts };
  return hasAudio ? { status: "ok", ...facts } : { status: "no-audio", what: "it has no sound", ...facts };
}

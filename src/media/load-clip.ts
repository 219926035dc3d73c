/** @file From media files to a Clip: frames at the model's size and log-mel. */
import { UserError } from "../core/errors.ts";
import type { Clip, ClipSpec } from "./clip.ts";
import { decodeMedia } from "./decode.ts";
import { uniformFrameIndices } from "./frames.ts";
import { isImageName, listFrames, readImage } from "./images.ts";
import { mediaError, statMedia } from "./media-error.ts";
import { HOP_SAMPLES, logMel } from "./mel.ts";
import { resizeBicubic } from "./pixels.ts";
import type { RgbImage } from "./pixels.ts";
import { countDecodedFrames, probeMedia } from "./probe.ts";
import type { MediaProbe } from "./probe.ts";

export interface ClipFiles {
  /** A video file, a picture, or a folder of frames. */
  readonly video?: string | undefined;
  /** A sound file; without it the sound of the video is used. */
  readonly audio?: string | undefined;
}

export interface LoadClipOptions extends ClipFiles {
  readonly spec: ClipSpec;
  /** What is wanted; `text` asks for nothing here. */
  readonly modalities: readonly ("video" | "audio" | "text")[];
  /** Limit per program run; default: one minute and twice the clip's length. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The clip with all that is wanted: pixels [frames, imageSize, imageSize, 3] when `video` is, mel when `audio` is.
 * Without any file the clip is empty.
 *
 * @throws UserError (MediaError), one problem per file: unreadable, or without the picture or sound that is wanted.
 */
export async function loadClip(options: LoadClipOptions): Promise<Clip> {
  const { video, audio, modalities } = options;
  const frameFile = modalities.includes("video") ? video : undefined;
  const soundFile = modalities.includes("audio") ? (audio ?? video) : undefined;
  if (frameFile === soundFile) return frameFile === undefined ? {} : loadParts(frameFile, { frames: true, sound: true }, options);
  const parts = await Promise.allSettled([
    frameFile === undefined ? {} : loadParts(frameFile, { frames: true, sound: false }, options),
    soundFile === undefined ? {} : loadParts(soundFile, { frames: false, sound: true }, options),
  ]);
  return valuesOrProblems<Clip>(parts).reduce((clip, part) => ({ ...clip, ...part }), {});
}

interface Wanted {
  readonly frames: boolean;
  readonly sound: boolean;
}

async function loadParts(path: string, wanted: Wanted, options: LoadClipOptions): Promise<Clip> {
  const kind = await statMedia(path);
  if (kind === "folder" || isImageName(path)) {
    if (wanted.sound) throw mediaError(path, "pictures have no sound, and no sound file is named", { hint: SOUND_HINT });
    return { pixels: await loadPictures(kind === "folder" ? await listFrames(path) : [path], options) };
  }
  const probe = await probeMedia(path, { signal: options.signal, ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }) });
  if (wanted.sound && probe.audio === undefined) throw mediaError(path, "it has no sound", { hint: SOUND_HINT });
  if (wanted.frames && probe.video === undefined) throw mediaError(path, "it has no picture, only sound");
  return loadStreams(path, { probe, wanted, frameCount: probe.video?.frameTimes.length ?? 0 }, options);
}

const SOUND_HINT = "Name a sound file in media.audio, or switch audio off (data.modalities).";

async function loadStreams(
  path: string,
  { probe, wanted, frameCount }: { probe: MediaProbe; wanted: Wanted; frameCount: number },
  options: LoadClipOptions,
): Promise<Clip> {
  const { spec, signal, timeoutMs = 60_000 + 2000 * probe.durationSeconds } = options;
  if (wanted.frames && frameCount === 0) throw mediaError(path, "its video stream holds no frame that can be decoded");
  const indices = wanted.frames ? uniformFrameIndices(frameCount, spec.frames) : [];
  const distinct = [...new Set(indices)];
  const resized: Uint8Array[] = [];
  const { frames, samples } = await decodeMedia({
    path,
    timeoutMs,
    signal,
    ...(wanted.frames && probe.video !== undefined
      ? { video: { stream: probe.video, indices: distinct, onFrame: (frame: RgbImage) => resized.push(toModelSize(frame, spec)) } }
      : {}),
    ...(wanted.sound && probe.audio !== undefined ? { audio: { stream: probe.audio, maxSamples: spec.melFrames * HOP_SAMPLES } } : {}),
  });
  if (frames < distinct.length) {
    const decodable = await countDecodedFrames(path, probe.video?.index ?? 0, { signal, timeoutMs });
    if (decodable >= frameCount) throw mediaError(path, `its picture is damaged: ${frames} of ${distinct.length} frames could be decoded`);
    return loadStreams(path, { probe, wanted, frameCount: decodable }, options);
  }
  return {
    ...(wanted.frames ? { pixels: stack(indices.map((index) => resized[distinct.indexOf(index)])) } : {}),
    ...(wanted.sound ? { mel: logMel(samples, spec) } : {}),
  };
}

async function loadPictures(paths: readonly string[], { spec, signal }: LoadClipOptions): Promise<Uint8Array> {
  const resized = new Map<number, Uint8Array>();
  const indices = uniformFrameIndices(paths.length, spec.frames);
  for (const index of new Set(indices)) {
    signal?.throwIfAborted();
    resized.set(index, toModelSize(await readImage(paths[index] ?? ""), spec));
  }
  return stack(indices.map((index) => resized.get(index)));
}

function toModelSize(frame: RgbImage, { imageSize }: ClipSpec): Uint8Array {
  const { pixels } = resizeBicubic(frame, { width: imageSize, height: imageSize });
  return pixels === frame.pixels ? pixels.slice() : pixels; // a frame that already fits is the decoder's own buffer
}

function stack(frames: readonly (Uint8Array | undefined)[]): Uint8Array {
  return new Uint8Array(Buffer.concat(frames.map((frame) => frame ?? new Uint8Array())));
}

/** All values, or one error with the problems of every part. */
function valuesOrProblems<T>(results: readonly PromiseSettledResult<T>[]): T[] {
  const reasons = results.flatMap((result): unknown[] => (result.status === "rejected" ? [result.reason] : []));
  const foreign = reasons.find((reason) => reason instanceof Error && !(reason instanceof UserError));
  if (foreign instanceof Error) throw foreign;
  if (reasons.length > 0) throw new UserError(reasons.flatMap((reason) => (reason instanceof UserError ? reason.problems : [])), { cause: reasons[0] });
  return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

/**
 * @file Frames and sound of a video or sound file, decoded in one ffmpeg process through pipes.
 *
 * `select` picks frames by number; the filter tail gives them even time stamps so that no ffmpeg version (4.1 to 7.0)
 * duplicates or drops one at the constant output rate. Counts are checked: ffmpeg ends with success on a damaged file.
 */
import { argumentsOf, ffmpegCommand, runFfmpeg } from "./ffmpeg.ts";
import { mediaError } from "./media-error.ts";
import { SAMPLE_RATE_HZ } from "./mel.ts";
import type { RgbImage } from "./pixels.ts";
import { GUARDED_INPUT } from "./probe.ts";
import type { AudioStream, VideoStream } from "./probe.ts";

export interface DecodeRequest {
  readonly path: string;
  readonly video?: {
    readonly stream: VideoStream;
    /** Frame numbers, rising, each once. */
    readonly indices: readonly number[];
    /** Called once per frame in order; the picture's bytes are reused for the next. */
    readonly onFrame: (frame: RgbImage, position: number) => void;
  };
  readonly audio?: {
    readonly stream: AudioStream;
    /** Sound after this many samples is not decoded. */
    readonly maxSamples: number;
  };
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Decoded {
  /** Frames that came; less than asked for when the decoder found fewer frames than the file has packets. */
  readonly frames: number;
  /** 16 kHz mono in [-1, 1): int16 / 32768, as Whisper reads sound. Empty when no sound was asked for. */
  readonly samples: Float32Array;
}

const MAX_FRAME_PIXELS = 50e6;
const AUDIO_FD = 3;

/** @throws UserError (MediaError): damaged sound, frames too large, time limit, whatever ffmpeg reports. */
export async function decodeMedia({ path, video, audio, timeoutMs, signal }: DecodeRequest): Promise<Decoded> {
  const frameSplitter = video === undefined ? undefined : splitFrames(path, video);
  const soundChunks: Buffer[] = [];
  await runFfmpeg({
    subject: path,
    args: decodeArguments(path, video, audio),
    pipes: {
      ...(frameSplitter === undefined ? {} : { 1: { kind: "output", maxBytes: frameSplitter.maxBytes, write: frameSplitter.write } }),
      ...(audio === undefined
        ? {}
        : { [AUDIO_FD]: { kind: "output", maxBytes: 2 * (audio.maxSamples + SAMPLE_RATE_HZ), write: (chunk: Buffer) => soundChunks.push(chunk) } }),
    },
    timeoutMs,
    signal,
  });
  const samples = samplesOf(soundChunks);
  if (audio !== undefined) refuseShortSound(path, { samples: samples.length, audio });
  return { frames: frameSplitter?.count() ?? 0, samples };
}

function decodeArguments(path: string, video: DecodeRequest["video"], audio: DecodeRequest["audio"]): string[] {
  const command = ffmpegCommand()
    .input(`file:${path}`)
    // One thread: clips are decoded side by side, which uses the cores better than threads within a clip.
    .inputOptions(["-nostdin", "-v", "error", "-threads", "1", ...GUARDED_INPUT]);
  if (video !== undefined) {
    const wanted = video.indices.map((index) => `eq(n\\,${index})`).join("+");
    command
      .output("pipe:1")
      .noAudio()
      .outputOptions("-map", `0:${video.stream.index}`)
      .videoFilters(`select='${wanted}',settb=1/1000,setpts=N*40`)
      .outputOptions("-r", "25", "-frames:v", String(video.indices.length), "-pix_fmt", "rgb24", "-f", "rawvideo");
  }
  if (audio !== undefined) {
    command
      .output(`pipe:${AUDIO_FD}`)
      .noVideo()
      .outputOptions("-map", `0:${audio.stream.index}`)
      // Silence where packets are missing and before a late start: sound and picture keep one clock.
      .audioFilters("aresample=async=1:first_pts=0")
      .audioChannels(1)
      .audioFrequency(SAMPLE_RATE_HZ)
      .outputOptions("-t", (audio.maxSamples / SAMPLE_RATE_HZ).toFixed(6), "-c:a", "pcm_s16le", "-f", "s16le");
  }
  return argumentsOf(command);
}

/** Cuts the byte stream into pictures; holds one picture at a time, whatever the length of the clip. */
function splitFrames(path: string, { stream: { width, height }, indices, onFrame }: NonNullable<DecodeRequest["video"]>) {
  if (width * height > MAX_FRAME_PIXELS) {
    throw mediaError(path, `its pictures are too large: got ${width}x${height}, at most ${MAX_FRAME_PIXELS / 1e6} million pixels are accepted`);
  }
  const pixels = new Uint8Array(width * height * 3);
  let filled = 0;
  let count = 0;
  const write = (chunk: Buffer): void => {
    for (let start = 0; start < chunk.length; ) {
      const part = chunk.subarray(start, start + pixels.length - filled);
      pixels.set(part, filled);
      filled += part.length;
      start += part.length;
      if (filled < pixels.length) continue;
      onFrame({ pixels, width, height }, count);
      count += 1;
      filled = 0;
    }
  };
  return { write, maxBytes: indices.length * pixels.length, count: () => count };
}

function samplesOf(chunks: readonly Buffer[]): Float32Array {
  const bytes = Buffer.concat(chunks);
  const samples = new Float32Array(bytes.length >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = bytes.readInt16LE(2 * i) / 32768;
  return samples;
}

/** Decoders skip what they cannot read and end with success. */
function refuseShortSound(path: string, { samples, audio }: { samples: number; audio: NonNullable<DecodeRequest["audio"]> }): void {
  if (samples === 0) throw mediaError(path, "its sound track is empty");
  const expected = Math.min(audio.stream.endSeconds, audio.maxSamples / SAMPLE_RATE_HZ);
  const found = samples / SAMPLE_RATE_HZ;
  if (found < expected * 0.98 - 0.1) throw mediaError(path, `its sound is damaged: ${found.toFixed(2)} of ${expected.toFixed(2)} s could be decoded`);
}

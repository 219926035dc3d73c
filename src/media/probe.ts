/** @file What is inside a video or sound file, without decoding it (ffprobe). */
import { z } from "zod";
import { runFfprobe } from "./ffmpeg.ts";
import { mediaError, statMedia } from "./media-error.ts";

export interface VideoStream {
  /** Stream number in the file. */
  readonly index: number;
  /** Pixels as shown: width and height are already swapped when the file asks for a quarter turn. */
  readonly width: number;
  readonly height: number;
  /** Presentation times of the frames that are shown, rising, in seconds from the start of the file. */
  readonly frameTimes: readonly number[];
}

export interface AudioStream {
  readonly index: number;
  /** When its last packet ends, in seconds from the start of the file. */
  readonly endSeconds: number;
}

export interface MediaProbe {
  readonly durationSeconds: number;
  /** First time stamp in the file; all times here are relative to it (transport streams start at 1.4 s). */
  readonly startSeconds: number;
  /** First stream of its kind that is not a cover picture; absent when there is none. */
  readonly video?: VideoStream;
  readonly audio?: AudioStream;
}

/** Containers that hold one clip's streams. Playlists (concat, hls, dash), which open further files, are not among them. */
const ACCEPTED_FORMATS =
  "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg,wav,w64,aiff,flac,mp3,aac,amr,caf,gif";

/** Input options against files that would open others; `file:` also keeps odd names (`-x`, `a:b`, `%03d`) literal. */
export const GUARDED_INPUT = ["-protocol_whitelist", "file,pipe", "-format_whitelist", ACCEPTED_FORMATS] as const;

const PROBE_TIMEOUT_MS = 60_000;
const PROBE_MAX_BYTES = 256 << 20;
const ENTRIES = [
  "packet=stream_index,pts_time,dts_time,duration_time,flags",
  "stream=index,codec_type,codec_name,width,height,nb_frames",
  "stream_disposition=attached_pic",
  "stream_side_data=rotation",
  "format=format_name,duration,start_time",
].join(":");

/**
 * Streams, sizes and frame times of a file.
 *
 * @throws UserError (MediaError): no such file, not media, cut off before its announced end, or the time limit.
 */
export async function probeMedia(path: string, { signal, timeoutMs = PROBE_TIMEOUT_MS }: { signal?: AbortSignal | undefined; timeoutMs?: number } = {}): Promise<MediaProbe> {
  if ((await statMedia(path)) === "folder") throw mediaError(path, "this is a folder, expected a video or sound file");
  const output = parseOutput(path, await readProbe(path, ["-show_entries", ENTRIES], { signal, timeoutMs }));
  refuseCutOff(path, output);
  const startSeconds = output.format.start_time ?? 0;
  const video = output.streams.find((stream) => stream.codec_type === "video" && stream.disposition?.attached_pic !== 1);
  const audio = output.streams.find((stream) => stream.codec_type === "audio");
  return {
    startSeconds,
    durationSeconds: output.format.duration ?? Math.max(0, lastEnd(output.packets) - startSeconds),
    ...(video === undefined ? {} : { video: describeVideo(path, video, { packets: output.packets, startSeconds }) }),
    ...(audio === undefined ? {} : { audio: { index: audio.index, endSeconds: lastEnd(packetsOf(output.packets, audio.index)) - startSeconds } }),
  };
}

/**
 * How many frames really come out of a stream's decoder. Costs a full decode: for files in which packets and frames do
 * not match (pictures that are never shown, frames whose reference is missing).
 */
export async function countDecodedFrames(path: string, stream: number, { signal, timeoutMs }: { signal?: AbortSignal | undefined; timeoutMs: number }): Promise<number> {
  const args = ["-select_streams", String(stream), "-count_frames", "-show_entries", "stream=nb_read_frames"];
  const text = await readProbe(path, args, { signal, timeoutMs });
  const counted = z.object({ streams: z.array(z.object({ nb_read_frames: seconds })) }).safeParse(JSON.parse(text));
  return counted.data?.streams[0]?.nb_read_frames ?? 0;
}

const seconds = z.coerce.number();
const packetSchema = z.object({
  stream_index: z.number(),
  pts_time: seconds.optional(),
  dts_time: seconds.optional(),
  duration_time: seconds.optional(),
  flags: z.string(),
});
const streamSchema = z.object({
  index: z.number(),
  codec_type: z.string().optional(),
  codec_name: z.string().optional(),
  width: z.number().optional(),
  height: z.number().optional(),
  nb_frames: seconds.optional(),
  disposition: z.object({ attached_pic: z.number() }).optional(),
  side_data_list: z.array(z.object({ rotation: z.number().optional() })).optional(),
});
const outputSchema = z.object({
  packets: z.array(packetSchema).default([]),
  streams: z.array(streamSchema),
  format: z.object({ format_name: z.string(), duration: seconds.optional(), start_time: seconds.optional() }),
});
type ProbeOutput = z.infer<typeof outputSchema>;
type Packet = z.infer<typeof packetSchema>;

async function readProbe(path: string, args: readonly string[], options: { signal?: AbortSignal | undefined; timeoutMs: number }): Promise<string> {
  const chunks: Buffer[] = [];
  await runFfprobe({
    subject: path,
    args: ["-v", "error", ...GUARDED_INPUT, ...args, "-of", "json=compact=1", `file:${path}`],
    pipes: { 1: { kind: "output", maxBytes: PROBE_MAX_BYTES, write: (chunk) => chunks.push(chunk) } },
    ...options,
  });
  return Buffer.concat(chunks).toString("utf8");
}

function parseOutput(path: string, text: string): ProbeOutput {
  const parsed = outputSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw mediaError(path, `ffprobe's answer is not understood (${z.prettifyError(parsed.error)})`);
  return parsed.data;
}

function describeVideo(
  path: string,
  stream: z.infer<typeof streamSchema>,
  { packets, startSeconds }: { packets: readonly Packet[]; startSeconds: number },
): VideoStream {
  const { index, width = 0, height = 0, side_data_list = [] } = stream;
  if (width < 1 || height < 1) throw mediaError(path, "its video stream has no picture size: damaged, or a codec that ffmpeg does not know");
  const rotation = side_data_list.find((data) => data.rotation !== undefined)?.rotation ?? 0;
  const isQuarterTurn = Math.abs(rotation) % 180 === 90;
  const frameTimes = packetsOf(packets, index)
    .filter(({ flags }) => !flags.includes("D")) // outside the edit list: decoded, never shown
    .map(({ pts_time, dts_time }) => (pts_time ?? dts_time ?? 0) - startSeconds)
    .sort((a, b) => a - b);
  return { index, width: isQuarterTurn ? height : width, height: isQuarterTurn ? width : height, frameTimes };
}

/** Formats whose header states the exact length; elsewhere the duration is an estimate or read from the end itself. */
const EXACT_DURATION = /^(mov|matroska|flac|avi)/;

/** A cut-off file decodes without an error; only its own header tells that the rest is missing. */
function refuseCutOff(path: string, { packets, streams, format }: ProbeOutput): void {
  for (const { index, nb_frames, codec_type } of streams) {
    const found = packetsOf(packets, index).length;
    if (nb_frames !== undefined && (codec_type === "video" || codec_type === "audio") && found < nb_frames && format.format_name.startsWith("mov")) {
      throw mediaError(path, `the file is cut off: its index lists ${nb_frames} ${codec_type} packets, ${found} are there`);
    }
  }
  if (format.duration === undefined || packets.length === 0 || !EXACT_DURATION.test(format.format_name)) return;
  const found = lastEnd(packets) - (format.start_time ?? 0);
  if (found < format.duration * 0.98 - 0.5) {
    throw mediaError(path, `the file is cut off: it announces ${format.duration.toFixed(2)} s, ${found.toFixed(2)} s are there`);
  }
}

function packetsOf(packets: readonly Packet[], stream: number): readonly Packet[] {
  return packets.filter(({ stream_index }) => stream_index === stream);
}

function lastEnd(packets: readonly Packet[]): number {
  return packets.reduce((end, { pts_time, dts_time, duration_time = 0 }) => Math.max(end, (pts_time ?? dts_time ?? 0) + duration_time), 0);
}

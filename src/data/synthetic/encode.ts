/** @file One ffmpeg call: raw frames and samples through pipes into an mp4 with h264 and AAC. */
import { spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { invariant, UserError } from "../../core/errors.ts";
import { SAMPLE_RATE } from "./voice.ts";

export interface EncodeRequest {
  readonly ffmpeg: string;
  readonly path: string;
  /** uint8 RGB, frame after frame, each `side` x `side`. */
  readonly pixels: Uint8Array;
  readonly side: number;
  readonly fps: number;
  /** Mono at 16 kHz. */
  readonly samples: Float32Array;
}

/**
 * Writes the file; it exists and is whole when the promise resolves.
 *
 * @throws UserError (SystemError) with ffmpeg's last words when it fails, e.g. on a full disk.
 */
export async function encodeClip({ ffmpeg, path, pixels, side, fps, samples }: EncodeRequest): Promise<void> {
  const picture = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", `${side}x${side}`, "-r", String(fps), "-i", "pipe:0"];
  const sound = ["-f", "f32le", "-ar", String(SAMPLE_RATE), "-ac", "1", "-i", "pipe:3"];
  const codecs = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "28", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "40k"];
  // One thread: several clips are encoded at once. Bit-exact flags keep the date and version out of the file.
  const output = ["-threads", "1", "-flags", "+bitexact", "-fflags", "+bitexact", "-movflags", "+faststart", "-f", "mp4", `file:${path}`];
  const child = spawn(ffmpeg, ["-nostdin", "-v", "error", "-y", ...picture, ...sound, ...codecs, ...output], { stdio: ["pipe", "ignore", "pipe", "pipe"] });
  const [stdin, , stderr, audio] = child.stdio;
  invariant(stdin !== null && isWritable(audio), () => "ffmpeg has no pipes");
  const words = collect(stderr);
  const ended = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  feed(stdin, pixels);
  feed(audio, new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength));
  const code = await ended.catch((error: unknown) => {
    throw new UserError({ kind: "SystemError", where: ffmpeg, what: `ffmpeg does not start: ${error instanceof Error ? error.message : String(error)}` }, { cause: error });
  });
  if (code !== 0) throw new UserError({ kind: "SystemError", where: path, what: `ffmpeg could not write this file: ${(await words).trim().split("\n").at(-1) ?? `exit code ${code}`}` });
}

/** A process that stops early closes its pipes; its exit code tells, the pipe's error adds nothing. */
function feed(pipe: Writable, bytes: Uint8Array): void {
  pipe.on("error", () => undefined);
  pipe.end(bytes);
}

async function collect(stream: Readable | null): Promise<string> {
  let text = "";
  for await (const chunk of stream ?? []) text += String(chunk);
  return text;
}

function isWritable(pipe: Readable | Writable | null | undefined): pipe is Writable {
  return pipe !== null && pipe !== undefined && "write" in pipe;
}

/** @file Small real clips, made by ffmpeg on the spot, and what tests need to look at them. */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { UserError } from "../../src/core/errors.ts";
import { runFfmpeg } from "../../src/media/ffmpeg.ts";

/** ffmpeg with these arguments, in order, writing `path`. */
export async function render(path: string, ...args: readonly string[]): Promise<string> {
  await runFfmpeg({ subject: path, args: ["-nostdin", "-v", "error", "-y", ...args, `file:${path}`], pipes: {}, timeoutMs: 60_000 });
  return path;
}

/** Lavfi input of `count` frames at 15 per second; frame i is grey of the level `greyOf(i)`. */
export function numberedFrames(count: number, size = "64x48"): string[] {
  return ["-f", "lavfi", "-i", `color=black:s=${size}:r=15:d=${count / 15},format=yuv444p,geq=lum='16+7*N':cb=128:cr=128`];
}

/** What luma 16 + 7 i becomes in full-range RGB. */
export function greyOf(frame: number): number {
  return (7 * frame * 255) / 219;
}

/** The frame number that a grey picture shows, from its mean. */
export function numberShown(pixels: Uint8Array): number {
  return pixels.reduce((sum, value) => sum + value, 0) / pixels.length / greyOf(1);
}

/** 440 Hz for so many seconds. */
export function sine(seconds: number): string[] {
  return ["-f", "lavfi", "-i", `sine=frequency=440:sample_rate=44100:duration=${seconds}`];
}

/** h264 with B-frames, almost lossless, as `numberShown` needs it. */
export const H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-crf", "1", "-pix_fmt", "yuv420p"] as const;

/** Sets the display matrix in an mp4's first track header to a quarter turn. */
export async function rotateQuarterTurn(path: string): Promise<void> {
  const bytes = await readFile(path);
  const matrix = bytes.indexOf("tkhd") + 4 + 40; // version and flags, times, id, duration, layer, volume
  [0, 0x10000, 0, -0x10000, 0, 0].forEach((value, i) => bytes.writeInt32BE(value, matrix + 4 * i));
  await writeFile(path, bytes);
}

/** The message of the UserError that a promise ends with; any other end fails the test. */
export async function userErrorOf(promise: Promise<unknown>): Promise<string> {
  const end = await promise.then(
    () => "it succeeded",
    (error: unknown) => error,
  );
  if (end instanceof UserError) return end.message;
  throw new Error(`expected a UserError, got ${String(end)}`, { cause: end });
}

/** Commands of this process's living children that are media programs; undefined where that cannot be seen. */
export function mediaChildren(): string[] | undefined {
  if (!existsSync("/proc/self/stat")) return undefined;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
        const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
        return parent === process.pid ? [readFileSync(`/proc/${pid}/comm`, "latin1").trim()] : [];
      } catch {
        return []; // ended meanwhile
      }
    })
    .filter((command) => /^(ff|sleep|yes)/.test(command));
}

/** Tensors of a safetensors file: F32 as numbers, U8 as bytes. */
export function readTensors(path: string): (name: string) => Float32Array | Uint8Array {
  const bytes = readFileSync(path);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header: Record<string, { dtype: string; data_offsets: [number, number] }> = JSON.parse(bytes.toString("utf8", 8, 8 + headerLength));
  return (name) => {
    const entry = header[name];
    if (entry === undefined) throw new Error(`no tensor ${name} in ${path}`);
    const [start, end] = entry.data_offsets;
    const content = new Uint8Array(bytes.subarray(8 + headerLength + start, 8 + headerLength + end));
    return entry.dtype === "F32" ? new Float32Array(content.buffer) : content;
  };
}

/** Largest absolute difference; arrays of different lengths are infinitely different. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length || a.length === 0) return Infinity;
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs((a[i] ?? NaN) - (b[i] ?? NaN)));
  return largest;
}

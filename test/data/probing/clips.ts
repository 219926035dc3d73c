/** @file A real mp4 of the fixture, and what can become of one. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** h264 and AAC, its index at the end or the front as the renderer writes it. */
export const CLIP = readFileSync(join(import.meta.dirname, "../../../data/fixture/clips/test0001_utt1.mp4"));

/** Offset and length of a top-level box. */
export function boxOf(file: Buffer, wanted: string): { readonly at: number; readonly length: number } {
  for (let at = 0; at < file.length; at += file.readUInt32BE(at)) {
    if (file.toString("latin1", at + 4, at + 8) === wanted) return { at, length: file.readUInt32BE(at) };
  }
  throw new Error(`no ${wanted} box`);
}

/** The same file with another content of a box's header: its type, or a number in it. */
export function patched(file: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(file);
  change(copy);
  return copy;
}

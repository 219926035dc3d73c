/**
 * @file The header of an mp4 or mov file: tracks, lengths, and whether every sample it lists is in the file.
 * ffprobe would do, but starting it costs 15 ms of processor time a file, and reading the packets more; a header is read in
 * well below one. Only what the boxes say is believed: nothing is decoded.
 */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";

export interface Mp4Track {
  readonly kind: "video" | "audio";
  readonly samples: number;
  /** As shown: what an edit list cuts off (an encoder's priming, frames before the cut) does not count. */
  readonly seconds: number;
}

export type Mp4Header =
  | { readonly kind: "header"; readonly tracks: readonly Mp4Track[]; readonly fingerprint: string }
  | { readonly kind: "damaged"; readonly what: string }
  /** Fragments, or a sample table of a form that is not read here: ffprobe knows more. */
  | { readonly kind: "unknown" };

/** An index of a long film has some megabytes; more is an attack or a mistake. */
const MAX_INDEX_BYTES = 64 << 20;
const MAX_BOXES = 10_000;

/** Reads the boxes of the file and the index among them. */
export async function readMp4Header(file: FileHandle, size: number): Promise<Mp4Header> {
  let at = 0;
  for (let count = 0; at + 8 <= size && count < MAX_BOXES; count++) {
    const box = await readBoxHeader(file, { at, size });
    if (box === undefined) return { kind: "damaged", what: `it is damaged: no box begins at byte ${at}` };
    if (box.type === "moov") {
      if (at + box.length > size) return { kind: "damaged", what: "it is cut off inside its index (moov)" };
      if (box.length > MAX_INDEX_BYTES) return { kind: "damaged", what: `its index (moov) has ${box.length} bytes` };
      const index = Buffer.alloc(box.length - box.header);
      await file.read(index, 0, index.length, at + box.header);
      return readIndex(index, size);
    }
    at += box.length;
  }
  return { kind: "damaged", what: "it is no mp4, or its end is cut off: the index is missing (moov atom not found)" };
}

interface Box {
  readonly type: string;
  /** With its header. */
  readonly length: number;
  readonly header: number;
}

async function readBoxHeader(file: FileHandle, { at, size }: { readonly at: number; readonly size: number }): Promise<Box | undefined> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, at);
  return boxAt(buffer.subarray(0, bytesRead), 0, size - at);
}

/** The box that begins at `at`; its length is not checked against the buffer's. `rest`: bytes up to the end, for a box that reaches there. */
function boxAt(buffer: Buffer, at: number, rest: number): Box | undefined {
  if (at + 8 > buffer.length) return undefined;
  const short = buffer.readUInt32BE(at);
  const type = buffer.toString("latin1", at + 4, at + 8);
  if (!/^[\x20-\x7e\xa9]{4}$/.test(type)) return undefined;
  if (short === 0) return { type, length: rest, header: 8 };
  if (short !== 1) return short < 8 ? undefined : { type, length: short, header: 8 };
  if (at + 16 > buffer.length) return undefined;
  const long = Number(buffer.readBigUInt64BE(at + 8));
  return long < 16 ? undefined : { type, length: long, header: 16 };
}

/** The contents of every child of a type. */
function children(parent: Buffer, type: string): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at + 8 <= parent.length; ) {
    const box = boxAt(parent, at, parent.length - at);
    if (box === undefined) break;
    if (box.type === type) found.push(parent.subarray(at + box.header, at + box.length));
    at += box.length;
  }
  return found;
}

function descend(parent: Buffer, ...path: readonly string[]): Buffer | undefined {
  return path.reduce<Buffer | undefined>((box, type) => (box === undefined ? undefined : children(box, type)[0]), parent);
}

function readIndex(moov: Buffer, fileSize: number): Mp4Header {
  try {
    if (children(moov, "mvex").length > 0) return { kind: "unknown" };
    const hash = createHash("sha256");
    const tracks: Mp4Track[] = [];
    const movieScale = readScale(descend(moov, "mvhd"));
    let end = 0;
    for (const trak of children(moov, "trak")) {
      const kind = descend(trak, "mdia", "hdlr")?.toString("latin1", 8, 12);
      if (kind !== "vide" && kind !== "soun") continue;
      const read = readTrack(trak, movieScale);
      if (read === undefined) return { kind: "unknown" };
      hash.update(kind).update(read.sizes).update(String(read.seconds));
      tracks.push({ kind: kind === "vide" ? "video" : "audio", samples: read.samples, seconds: read.seconds });
      end = Math.max(end, read.end);
    }
    if (end > fileSize) return { kind: "damaged", what: `the file is cut off: its index reaches to byte ${end}, it has ${fileSize}` };
    return { kind: "header", tracks, fingerprint: hash.digest("hex").slice(0, 32) };
  } catch (error) {
    if (error instanceof RangeError) return { kind: "damaged", what: "its index (moov) is damaged" };
    throw error;
  }
}

interface Track {
  readonly samples: number;
  readonly seconds: number;
  /** Behind the last byte of its last sample. */
  readonly end: number;
  /** The table of sample sizes as it stands there: differs between any two encodings. */
  readonly sizes: Buffer;
}

/** Units a second, in the boxes that begin as mvhd and mdhd do. */
function readScale(box: Buffer | undefined): number {
  return box === undefined ? 0 : box.readUInt32BE(box.readUInt8(0) === 1 ? 20 : 12);
}

/** A length that is unknown is written as all ones. */
function readLength(box: Buffer, { short, long }: { readonly short: number; readonly long: number }): number {
  if (box.readUInt8(0) === 1) return box.readBigUInt64BE(long) === 0xffff_ffff_ffff_ffffn ? 0 : Number(box.readBigUInt64BE(long));
  return box.readUInt32BE(short) === 0xffff_ffff ? 0 : box.readUInt32BE(short);
}

function readTrack(trak: Buffer, movieScale: number): Track | undefined {
  const tkhd = descend(trak, "tkhd");
  const mdhd = descend(trak, "mdia", "mdhd");
  const stbl = descend(trak, "mdia", "minf", "stbl");
  if (mdhd === undefined || stbl === undefined) return undefined;
  const [stsz, stsc, stco, co64] = ["stsz", "stsc", "stco", "co64"].map((type) => children(stbl, type)[0]);
  const offsets = co64 ?? stco;
  if (stsz === undefined || stsc === undefined || offsets === undefined) return undefined;
  const samples = stsz.readUInt32BE(8);
  const edited = tkhd === undefined || movieScale === 0 ? 0 : readLength(tkhd, { short: 20, long: 28 }) / movieScale;
  const scale = readScale(mdhd);
  const whole = scale === 0 ? 0 : readLength(mdhd, { short: 16, long: 24 }) / scale;
  return { samples, seconds: edited > 0 ? edited : whole, end: endOfSamples({ stsz, stsc, offsets, isLong: co64 !== undefined }), sizes: stsz };
}

interface Tables {
  readonly stsz: Buffer;
  readonly stsc: Buffer;
  readonly offsets: Buffer;
  readonly isLong: boolean;
}

/** Walks the chunks: each holds the number of samples that the last entry of stsc at or before it says. */
function endOfSamples({ stsz, stsc, offsets, isLong }: Tables): number {
  const fixed = stsz.readUInt32BE(4);
  const count = stsz.readUInt32BE(8);
  const chunks = offsets.readUInt32BE(4);
  const runs = stsc.readUInt32BE(4);
  let end = 0;
  let sample = 0;
  let run = 0;
  for (let chunk = 0; chunk < chunks && sample < count; chunk++) {
    while (run + 1 < runs && stsc.readUInt32BE(8 + 12 * (run + 1)) <= chunk + 1) run += 1;
    const inChunk = Math.min(stsc.readUInt32BE(8 + 12 * run + 4), count - sample);
    let position = isLong ? Number(offsets.readBigUInt64BE(8 + 8 * chunk)) : offsets.readUInt32BE(8 + 4 * chunk);
    if (fixed > 0) position += fixed * inChunk;
    else for (let i = 0; i < inChunk; i++) position += stsz.readUInt32BE(12 + 4 * (sample + i));
    sample += inChunk;
    end = Math.max(end, position);
  }
  return end;
}

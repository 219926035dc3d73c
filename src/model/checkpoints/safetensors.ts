/**
 * @file Reading safetensors files: u64 header length (little-endian), JSON header, data. A file is untrusted: every size
 * is checked against the file before anything is allocated.
 */
import { open, type FileHandle } from "node:fs/promises";
import { UserError } from "../../core/errors.ts";
import { describeSystemError } from "../../core/files.ts";
import { brainToFloat, halfToFloat } from "../../core/half-floats.ts";
import { parseHeader, type TensorEntry } from "./safetensors-header.ts";

/** Longest header that the reference implementation accepts, in bytes. */
const MAX_HEADER_BYTES = 100_000_000;
const CHUNK_BYTES = 1 << 24;
/** How a text begins that stands for a large file in a clone without Git LFS; as a header's length it would be 2e18 bytes. */
const LFS_POINTER = "version ";

/** Elements of a tensor, row-major. F16 and BF16 are widened to Float32Array; BOOL is 0 and 1 in a Uint8Array. */
export type TensorData = Float32Array | Float64Array | BigInt64Array | Int32Array | Int16Array | Int8Array | BigUint64Array | Uint32Array | Uint16Array | Uint8Array;

export interface SafetensorsFile {
  readonly path: string;
  readonly names: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  has(name: string): boolean;
  info(name: string): TensorEntry;
  /** A fresh copy of one tensor; nothing else of the file is read. */
  read(name: string): Promise<TensorData>;
  /** One tensor as it is stored. */
  readBytes(name: string): Promise<Uint8Array>;
  /** As `read`, for floating-point tensors of any width, as float32. */
  readFloats(name: string): Promise<Float32Array>;
  close(): Promise<void>;
}

/**
 * Opens a file and checks its header; tensors are read on demand until `close`.
 *
 * @throws UserError - CheckpointError on a malformed header, offsets outside the file, overlaps, sizes that disagree.
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await open(path, "r").catch((error: unknown) => {
    throw describeSystemError(error, path);
  });
  try {
    const { entries, metadata, dataStart } = await readHeader(file, path);
    const info = (name: string): TensorEntry => {
      const entry = entries.get(name);
      if (entry === undefined) throw new Error(`${path} has no tensor "${name}"`);
      return entry;
    };
    const read = (name: string): Promise<TensorData> => readTensor({ file, path, name, entry: info(name), dataStart });
    return {
      path,
      names: [...entries.keys()],
      metadata,
      has: (name) => entries.has(name),
      info,
      read,
      readBytes: async (name) => {
        const { begin, end } = info(name);
        const bytes = new Uint8Array(end - begin);
        await readFully(file, bytes, dataStart + begin, path);
        return bytes;
      },
      readFloats: async (name) => asFloats(await read(name), path, name),
      close: () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw describeSystemError(error, path);
  }
}

async function readHeader(file: FileHandle, path: string) {
  const fileBytes = (await file.stat()).size;
  if (fileBytes < 8) throw corrupt(path, `Got ${fileBytes} bytes, expected at least the 8 bytes of the header length`);
  const prefix = new Uint8Array(8);
  await readFully(file, prefix, 0, path);
  if (Buffer.from(prefix).toString("latin1") === LFS_POINTER) throw new UserError({ kind: "CheckpointError", where: path, what: `Got a Git LFS pointer of ${fileBytes} bytes, expected the file that it stands for`, hint: "Fetch it: git lfs pull in the model's folder." });
  const headerBytes = new DataView(prefix.buffer).getBigUint64(0, true);
  if (headerBytes > BigInt(Math.min(fileBytes - 8, MAX_HEADER_BYTES))) {
    throw corrupt(path, `header length is ${headerBytes} bytes, expected at most ${Math.min(fileBytes - 8, MAX_HEADER_BYTES)}`);
  }
  const header = new Uint8Array(Number(headerBytes));
  await readFully(file, header, 8, path);
  const dataStart = 8 + header.length;
  return { ...parseHeader(header, { dataBytes: fileBytes - dataStart, where: path }), dataStart };
}

interface TensorPlace {
  readonly file: FileHandle;
  readonly path: string;
  readonly name: string;
  readonly entry: TensorEntry;
  readonly dataStart: number;
}

async function readTensor(place: TensorPlace): Promise<TensorData> {
  const { dtype, begin, end } = place.entry;
  if (dtype === "F16" || dtype === "BF16") return readHalves(place, dtype === "F16" ? halfToFloat : brainToFloat);
  const bytes = new Uint8Array(end - begin);
  await readFully(place.file, bytes, place.dataStart + begin, place.path);
  switch (dtype) {
    case "F64":
      return new Float64Array(bytes.buffer);
    case "F32":
      return new Float32Array(bytes.buffer);
    case "I64":
      return new BigInt64Array(bytes.buffer);
    case "I32":
      return new Int32Array(bytes.buffer);
    case "I16":
      return new Int16Array(bytes.buffer);
    case "I8":
      return new Int8Array(bytes.buffer);
    case "U64":
      return new BigUint64Array(bytes.buffer);
    case "U32":
      return new Uint32Array(bytes.buffer);
    case "U16":
      return new Uint16Array(bytes.buffer);
    case "U8":
      return bytes;
    case "BOOL":
      return checkedBooleans(bytes, place);
  }
}

/** Widens chunk by chunk, so that a large tensor is never in memory twice. */
async function readHalves({ file, path, entry, dataStart }: TensorPlace, widen: (bits: number) => number): Promise<Float32Array> {
  const bits32 = new Int32Array((entry.end - entry.begin) / 2);
  const chunk = new Uint16Array(Math.min(bits32.length, CHUNK_BYTES / 2));
  for (let done = 0; done < bits32.length; done += chunk.length) {
    const count = Math.min(chunk.length, bits32.length - done);
    await readFully(file, new Uint8Array(chunk.buffer, 0, count * 2), dataStart + entry.begin + done * 2, path);
    for (let i = 0; i < count; i++) bits32[done + i] = widen(chunk[i]!);
  }
  return new Float32Array(bits32.buffer);
}

function checkedBooleans(bytes: Uint8Array, { path, name }: TensorPlace): Uint8Array {
  const bad = bytes.find((byte) => byte > 1);
  if (bad !== undefined) throw corrupt(path, `tensor "${name}": BOOL value is ${bad}, expected 0 or 1`);
  return bytes;
}

function asFloats(data: TensorData, path: string, name: string): Float32Array {
  if (data instanceof Float32Array) return data;
  if (data instanceof Float64Array) return Float32Array.from(data);
  throw corrupt(path, `tensor "${name}" holds ${data.constructor.name} values, expected floating-point numbers`);
}

/** Fills `target`; large reads go in chunks, since one system call moves at most 2 GiB. */
async function readFully(file: FileHandle, target: Uint8Array, position: number, path: string): Promise<void> {
  for (let done = 0; done < target.length; ) {
    const length = Math.min(target.length - done, CHUNK_BYTES * 16);
    const { bytesRead } = await file.read(target, done, length, position + done);
    if (bytesRead === 0) throw corrupt(path, `the file ends at byte ${position + done}, expected ${target.length - done} more bytes`);
    done += bytesRead;
  }
}

function corrupt(path: string, what: string): UserError {
  return new UserError({ kind: "CheckpointError", where: path, what, hint: "The file is damaged or not a safetensors file: download or copy it again." });
}

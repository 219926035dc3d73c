/** @file Writing safetensors files: tensors stream through, one in memory at a time; equal content gives equal bytes. */
import { UserError, invariant } from "../../core/errors.ts";
import { writeFileAtomic } from "../../core/files.ts";

export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major elements, or a function that fetches float32 elements when their turn comes. */
  readonly data: Float32Array | Int32Array | (() => Promise<Float32Array>);
}

/**
 * Writes a whole file atomically: readers see the old file or the new one. Tensors are stored sorted by name.
 *
 * @param metadata - strings for `__metadata__`; `{ format: "pt" }` is what Hugging Face readers ask for.
 * @throws UserError - SystemError when the disk is full or the folder cannot be written.
 */
export async function writeSafetensors(path: string, tensors: Iterable<TensorToWrite>, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  await writeFileAtomic(path, fileChunks(path, sorted, metadata));
}

async function* fileChunks(path: string, tensors: readonly TensorToWrite[], metadata: Readonly<Record<string, string>>): AsyncGenerator<Uint8Array> {
  yield renderHeader(path, tensors, metadata);
  for (const { name, shape, data } of tensors) {
    const elements = typeof data === "function" ? await data() : data;
    invariant(elements.length === elementCount(shape), () => `tensor "${name}" has ${elements.length} elements, its shape [${shape.join(", ")}] says ${elementCount(shape)}`);
    yield new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
  }
}

/** Length and JSON, padded with blanks so that the data starts at a multiple of eight. */
function renderHeader(path: string, tensors: readonly TensorToWrite[], metadata: Readonly<Record<string, string>>): Uint8Array {
  let position = 0;
  const header = new Map<string, unknown>(Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : []);
  for (const { name, shape, data } of tensors) {
    if (header.has(name)) throw new UserError({ kind: "CheckpointError", where: path, what: `two tensors are called "${name}"` });
    const end = position + elementCount(shape) * 4;
    header.set(name, { dtype: data instanceof Int32Array ? "I32" : "F32", shape, data_offsets: [position, end] });
    position = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)), "utf8");
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}

function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}

/** @file Writing safetensors files: tensors stream through, one in memory at a time; equal content gives equal bytes. */
import { UserError, invariant } from "../../core/errors.ts";
import { writeFileAtomic } from "../../core/files.ts";
import { sizeOfShape } from "../params.ts";
import { type Dtype, ITEM_BYTES } from "./safetensors-header.ts";

export interface TensorToWrite {
  readonly name: string;
  readonly shape: readonly number[];
  /** Row-major elements, or a function that fetches float32 elements when their turn comes. */
  readonly data: Float32Array | Int32Array | (() => Promise<Float32Array>);
}

/** A tensor that goes from file to file as it is. */
export interface StoredTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  readonly bytes: () => Promise<Uint8Array>;
}

/** Bytes that a tensor takes in a file. */
export function tensorBytes(tensor: TensorToWrite | StoredTensor): number {
  return sizeOfShape(tensor.shape) * ITEM_BYTES[dtypeOf(tensor)];
}

function dtypeOf(tensor: TensorToWrite | StoredTensor): Dtype {
  if ("dtype" in tensor) return tensor.dtype;
  return tensor.data instanceof Int32Array ? "I32" : "F32";
}

/**
 * Writes a whole file atomically: readers see the old file or the new one. Tensors are stored sorted by name.
 *
 * @param metadata - strings for `__metadata__`; `{ format: "pt" }` is what Hugging Face readers ask for.
 * @throws UserError - SystemError when the disk is full or the folder cannot be written.
 */
export async function writeSafetensors(path: string, tensors: Iterable<TensorToWrite | StoredTensor>, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
  const sorted = [...tensors].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  await writeFileAtomic(path, fileChunks(path, sorted, metadata));
}

async function* fileChunks(path: string, tensors: readonly (TensorToWrite | StoredTensor)[], metadata: Readonly<Record<string, string>>): AsyncGenerator<Uint8Array> {
  yield renderHeader(path, tensors, metadata);
  for (const tensor of tensors) {
    const { name, shape } = tensor;
    const elements = await elementsOf(tensor);
    invariant(elements.byteLength === tensorBytes(tensor), () => `tensor "${name}" has ${elements.byteLength} bytes, its shape [${shape.join(", ")}] says ${tensorBytes(tensor)}`);
    yield new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
  }
}

async function elementsOf(tensor: TensorToWrite | StoredTensor): Promise<Float32Array | Int32Array | Uint8Array> {
  if ("bytes" in tensor) return tensor.bytes();
  return typeof tensor.data === "function" ? tensor.data() : tensor.data;
}

/** Length and JSON, padded with blanks so that the data starts at a multiple of eight. */
function renderHeader(path: string, tensors: readonly (TensorToWrite | StoredTensor)[], metadata: Readonly<Record<string, string>>): Uint8Array {
  let position = 0;
  const header = new Map<string, unknown>(Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : []);
  for (const tensor of tensors) {
    const { name, shape } = tensor;
    if (header.has(name)) throw new UserError({ kind: "CheckpointError", where: path, what: `two tensors are called "${name}"` });
    const end = position + tensorBytes(tensor);
    header.set(name, { dtype: dtypeOf(tensor), shape, data_offsets: [position, end] });
    position = end;
  }
  const json = Buffer.from(JSON.stringify(Object.fromEntries(header)), "utf8");
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}

/** @file Kernels that only move memory: a plain loop over typed arrays beats a graph call and tfjs's generic indexing. */
import type { NamedAttrMap, TensorInfo } from "@tensorflow/tfjs-core";
import { fillDropoutMask } from "../dropout-mask.ts";
import type { OwnKernel } from "../own-kernels.ts";

/** Where tensors have their numbers; see `OrtBackend`. */
interface HostMemory {
  floats(info: TensorInfo): Float32Array;
  integers(info: TensorInfo): Int32Array;
  pooledTensor(shape: readonly number[]): TensorInfo;
}

/** Returns undefined for cases it leaves to tfjs's own kernel. */
type HostKernel = (call: { readonly memory: HostMemory; readonly inputs: Readonly<Record<string, TensorInfo | undefined>>; readonly attrs: NamedAttrMap }) => TensorInfo | TensorInfo[] | undefined;

/** Rows of a matrix by a list of row numbers. */
const gatherRows: HostKernel = ({ memory, inputs: { x, indices }, attrs: { axis, batchDims } }) => {
  if (x === undefined || indices === undefined || axis !== 0 || (batchDims ?? 0) !== 0) return undefined;
  if (x.dtype !== "float32" || x.shape.length !== 2 || indices.dtype !== "int32" || indices.shape.length !== 1) return undefined;
  const [rows = 0, width = 0] = x.shape;
  const table = memory.floats(x);
  const index = memory.integers(indices);
  const result = memory.pooledTensor([index.length, width]);
  const values = memory.floats(result);
  for (let i = 0; i < index.length; i++) {
    const row = index[i]!;
    if (row < 0 || row >= rows) throw new RangeError(`gather: row ${row} of a table of ${rows} rows`);
    values.set(table.subarray(row * width, (row + 1) * width), i * width);
  }
  return result;
};

const dropoutMask: HostKernel = ({ memory, attrs: { rows, width, low, high, rate } }) => {
  const mask = memory.pooledTensor([rows as number, width as number]);
  fillDropoutMask(memory.floats(mask), { low: low as number, high: high as number, rate: rate as number });
  return [mask];
};

/** Kernels of ours that are written here alone, not as a graph. */
export const OWN_HOST_KERNELS: Readonly<Partial<Record<OwnKernel, HostKernel>>> = { DropoutMask: dropoutMask };

export const HOST_KERNELS: Readonly<Record<string, HostKernel>> = { GatherV2: gatherRows, ...OWN_HOST_KERNELS };

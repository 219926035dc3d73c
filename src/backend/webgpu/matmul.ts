/** @file Matrix products on this backend: which shader for which sizes. Shapes as in matmul-program.ts. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { invariant } from "../../core/errors.ts";
import { dispatch, freshTensor } from "./dispatch.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { productProgram, type TileShape, threadsOf, workgroupBytes } from "./matmul-program.ts";

export interface Product {
  /** [..., M, K], or [..., K, M] if transposed. */
  readonly a: TensorInfo;
  /** [..., K, N], or [..., N, K] if transposed. */
  readonly b: TensorInfo;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** [N] */
  readonly bias?: TensorInfo | undefined;
  /** A scalar. */
  readonly scale?: TensorInfo | undefined;
  /** Where the result goes instead of a new tensor. */
  readonly into?: { readonly tensor: TensorInfo; readonly adds: boolean; readonly columns?: Columns } | undefined;
  /** Only these columns of `a`, which is not transposed. */
  readonly columnsOfA?: Columns | undefined;
}

/** Columns of a matrix that is wider. */
export interface Columns {
  readonly start: number;
  readonly count: number;
}

/** scale (a b) + bias as [..., M, N]. Batch dimensions are equal, or one side has none. */
export function multiply(backend: WebGPUBackend, { a, b, transposeA, transposeB, bias, scale, into, columnsOfA }: Product): TensorInfo {
  const [whole, right] = [sidesOf(a, transposeA), sidesOf(b, !transposeB)];
  const left = columnsOfA === undefined ? whole : { ...whole, depth: columnsOfA.count };
  const [leftBatch, rightBatch] = [batchOf(a), batchOf(b)];
  const batch = Math.max(leftBatch, rightBatch);
  invariant(left.depth === right.depth && [1, batch].includes(leftBatch) && [1, batch].includes(rightBatch), () => `product of [${a.shape.join()}] and [${b.shape.join()}], transposed: ${transposeA}, ${transposeB}`);
  const size = { rows: left.outer, columns: right.outer, depth: left.depth };
  const result = into?.tensor ?? freshTensor(backend, [...(leftBatch >= rightBatch ? a : b).shape.slice(0, -2), size.rows, size.columns]);
  const strides = { leftStride: a.shape.at(-1) ?? 1, leftStart: columnsOfA?.start ?? 0, rightStride: b.shape.at(-1) ?? 1, resultStride: result.shape.at(-1) ?? 1, resultStart: into?.columns?.start ?? 0 };
  const tile = tileFor(backend, { ...size, batch });
  const program = productProgram({
    tile,
    left: { isDepthFirst: transposeA, isAligned: areQuads(strides.leftStride, strides.leftStart, ...(columnsOfA === undefined ? [] : [columnsOfA.count])) },
    right: { isDepthFirst: !transposeB, isAligned: areQuads(strides.rightStride) },
    isResultAligned: areQuads(size.columns, strides.resultStride, strides.resultStart),
    hasBias: bias !== undefined,
    hasScale: scale !== undefined,
    accumulates: into?.adds === true,
  });
  dispatch(backend, program, {
    buffers: { a, b, result, ...(bias && { bias }), ...(scale && { scale }) },
    uniforms: { ...size, ...strides, leftBatch: leftBatch === 1 ? 0 : size.rows * size.depth, rightBatch: rightBatch === 1 ? 0 : size.columns * size.depth },
    workgroups: [Math.ceil(size.columns / tile.columns), Math.ceil(size.rows / tile.rows), batch],
  });
  return result;
}

/** tfjs's kernel. */
export const batchMatMul: WebGpuKernel = ({ backend, inputs: { a, b }, attributes: { transposeA, transposeB } }) => {
  invariant(a !== undefined && b !== undefined, () => "BatchMatMul without two tensors");
  return multiply(backend, { a, b, transposeA: transposeA === true, transposeB: transposeB === true });
};

/** From the most work per byte that is moved to the most workgroups. */
const TILES: readonly TileShape[] = [
  { rows: 128, columns: 128, depth: 16, perThread: 8 },
  { rows: 64, columns: 64, depth: 32, perThread: 4 },
  { rows: 32, columns: 32, depth: 16, perThread: 4 },
];

/** For products with a side of at most 16, as of adapters. */
const THIN_TILES = { fewColumns: { rows: 64, columns: 16, depth: 16, perThread: 4 }, fewRows: { rows: 16, columns: 64, depth: 16, perThread: 4 } } as const satisfies Record<string, TileShape>;
const THIN = 16;

/** Workgroups that keep a large GPU busy. */
const ENOUGH = 96;

function tileFor({ device }: WebGPUBackend, { rows, columns, batch }: { rows: number; columns: number; batch: number }): TileShape {
  if (columns <= THIN) return THIN_TILES.fewColumns;
  if (rows <= THIN) return THIN_TILES.fewRows;
  const { maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = device.limits;
  const fitting = TILES.filter((tile) => workgroupBytes(tile) <= maxComputeWorkgroupStorageSize && threadsOf(tile) <= maxComputeInvocationsPerWorkgroup);
  const groups = (tile: TileShape): number => Math.ceil(rows / tile.rows) * Math.ceil(columns / tile.columns) * batch;
  const chosen = fitting.find((tile) => groups(tile) >= ENOUGH) ?? fitting.at(-1);
  invariant(chosen !== undefined, () => "the device has too little workgroup memory for a product");
  return chosen;
}

function sidesOf({ shape }: TensorInfo, isDepthFirst: boolean): { outer: number; depth: number } {
  const [first, second] = shape.slice(-2) as [number, number];
  return isDepthFirst ? { depth: first, outer: second } : { outer: first, depth: second };
}

function batchOf({ shape }: TensorInfo): number {
  return shape.slice(0, -2).reduce((product, size) => product * size, 1);
}

function areQuads(...lengths: number[]): boolean {
  return lengths.every((length) => length % 4 === 0);
}

/** @file Matrix products on this backend: which shader for which sizes. Shapes as in matmul-program.ts. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { invariant } from "../../core/errors.ts";
import { dispatch, freshTensor } from "./dispatch.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { type Operand, productProgram, type ProductSpec, type TileShape } from "./matmul-program.ts";
import { matrixUnitProgram, MATRIX_UNIT_TILE } from "./matrix-unit-program.ts";
import { matrixUnitMode } from "./precision.ts";
import { groupsOf, tileFor } from "./tiles.ts";

/** Columns of a matrix in memory that is wider. */
export interface Columns {
  readonly start: number;
  readonly count: number;
}

/** Two matrices to be multiplied, with equal batch dimensions, or none on one side. */
export interface Factors {
  /** [..., M, K], or [..., K, M] if transposed. */
  readonly a: TensorInfo;
  /** [..., K, N], or [..., N, K] if transposed. */
  readonly b: TensorInfo;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** The columns, as the matrix lies in memory, that stand for it. */
  readonly columnsOfA?: Columns | undefined;
  readonly columnsOfB?: Columns | undefined;
}

export interface Product extends Factors {
  /** Added: two more matrices without batch dimensions. */
  readonly addend?: Factors | undefined;
  /** A scalar. */
  readonly scale?: TensorInfo | undefined;
  /** [N] */
  readonly bias?: TensorInfo | undefined;
  /** Where the result goes instead of a new tensor. */
  readonly into?: { readonly tensor: TensorInfo; readonly adds: boolean; readonly columns?: Columns } | undefined;
}

/** scale (a b + addend) + bias as [..., M, N]. */
export function multiply(backend: WebGPUBackend, { addend, bias, scale, into, ...factors }: Product): TensorInfo {
  const { a, b } = factors;
  const [left, right] = sidesOf(factors);
  const more = addend && sidesOf(addend);
  const [leftBatch, rightBatch] = [batchOf(a), batchOf(b)];
  const batch = Math.max(leftBatch, rightBatch);
  const size = { rows: left.outer, columns: right.outer, depth: left.depth };
  const result = into?.tensor ?? freshTensor(backend, [...(leftBatch >= rightBatch ? a : b).shape.slice(0, -2), size.rows, size.columns]);
  const [resultStride, resultStart] = [result.shape.at(-1) ?? 1, into?.columns?.start ?? 0];
  invariant(left.depth === right.depth && left.depth > 0 && [1, batch].includes(leftBatch) && [1, batch].includes(rightBatch), () => `product of [${a.shape.join()}] and [${b.shape.join()}], transposed: ${factors.transposeA}, ${factors.transposeB}`);
  invariant(more === undefined || (more[0].outer === size.rows && more[1].outer === size.columns && more[0].depth === more[1].depth), () => "an addend of another shape");
  const spec: ProductSpec = {
    left: left.operand,
    right: right.operand,
    addend: more && { left: more[0].operand, right: more[1].operand },
    isResultAligned: areQuads(size.columns, resultStride, resultStart),
    hasBias: bias !== undefined,
    hasScale: scale !== undefined,
    accumulates: into?.adds === true,
  };
  const { program, workgroups } = programFor(backend, spec, { ...size, batch });
  dispatch(backend, program, {
    buffers: { a, b, result, ...(addend && { c: addend.a, d: addend.b }), ...(bias && { bias }), ...(scale && { scale }) },
    uniforms: {
      ...size,
      leftStride: left.stride,
      leftStart: left.start,
      leftBatch: leftBatch === 1 ? 0 : size.rows * size.depth,
      rightStride: right.stride,
      rightStart: right.start,
      rightBatch: rightBatch === 1 ? 0 : size.columns * size.depth,
      resultStride,
      resultStart,
      ...(more && { addendDepth: more[0].depth, addendLeftStride: more[0].stride, addendLeftStart: more[0].start, addendRightStride: more[1].stride }),
    },
    workgroups,
  });
  return result;
}

/** tfjs's kernel. */
export const batchMatMul: WebGpuKernel = ({ backend, inputs: { a, b }, attributes: { transposeA, transposeB } }) => {
  invariant(a !== undefined && b !== undefined, () => "BatchMatMul without two tensors");
  return multiply(backend, { a, b, transposeA: transposeA === true, transposeB: transposeB === true });
};

/** Smaller sides than this leave most of the matrix units' tile empty. */
const LEAST_FOR_MATRIX_UNITS = 64;

function programFor(backend: WebGPUBackend, spec: ProductSpec, size: { rows: number; columns: number; depth: number; batch: number }): { program: ReturnType<typeof productProgram>; workgroups: [number, number, number] } {
  const mode = matrixUnitMode(backend);
  const isLarge = Math.min(size.rows, size.columns) >= LEAST_FOR_MATRIX_UNITS && size.depth >= LEAST_FOR_MATRIX_UNITS;
  if (mode !== undefined && isLarge) return { program: matrixUnitProgram(spec, mode), workgroups: groupsOf(MATRIX_UNIT_TILE, size) };
  const tile: TileShape = tileFor(backend.device.limits, size);
  return { program: productProgram(spec, tile), workgroups: groupsOf(tile, size) };
}

interface Side {
  readonly operand: Operand;
  readonly outer: number;
  readonly depth: number;
  readonly stride: number;
  readonly start: number;
}

function sidesOf({ a, b, transposeA, transposeB, columnsOfA, columnsOfB }: Factors): [left: Side, right: Side] {
  return [sideOf(a, transposeA, columnsOfA), sideOf(b, !transposeB, columnsOfB)];
}

function sideOf({ shape }: TensorInfo, isDepthFirst: boolean, columns: Columns | undefined): Side {
  const [memoryRows = 0, stride = 0] = shape.slice(-2);
  const { start, count } = columns ?? { start: 0, count: stride };
  const [depth, outer] = isDepthFirst ? [memoryRows, count] : [count, memoryRows];
  return { operand: { isDepthFirst, isAligned: areQuads(stride, start, count) }, outer, depth, stride, start };
}

function batchOf({ shape }: TensorInfo): number {
  return shape.slice(0, -2).reduce((product, size) => product * size, 1);
}

function areQuads(...lengths: number[]): boolean {
  return lengths.every((length) => length % 4 === 0);
}

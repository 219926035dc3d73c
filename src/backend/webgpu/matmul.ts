/** @file Matrix products on this backend: which shader for which sizes. Shapes as in matmul-program.ts. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { invariant } from "../../core/errors.ts";
import { freshTensor, prepare, type Prepared, queueProgram } from "./dispatch.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { type Operand, productProgram, type ProductSpec, tileName, type TileShape } from "./matmul-program.ts";
import { type MatrixUnitMode, matrixUnitProgram, MATRIX_UNIT_TILE } from "./matrix-unit-program.ts";
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
  /** [..., K, N], or [..., N, K] if transposed; either may be int32, pairs of halves, with half the columns. */
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
  /** Instead of the one for its size: for benchmarks. */
  readonly tile?: TileShape | undefined;
}

/** scale (a b + addend) + bias as [..., M, N]. */
export function multiply(backend: WebGPUBackend, { addend, bias, scale, into, tile, ...factors }: Product): TensorInfo {
  const { a, b } = factors;
  const [left, right] = sidesOf(factors);
  const more = addend && sidesOf(addend);
  const batches = [batchOf(a), batchOf(b)] as const;
  const batch = Math.max(...batches);
  const result = into?.tensor ?? freshTensor(backend, [...(batches[0] >= batches[1] ? a : b).shape.slice(0, -2), left.outer, right.outer]);
  const [resultStride, resultStart] = [result.shape.at(-1) ?? 1, into?.columns?.start ?? 0];
  invariant(left.depth === right.depth && left.depth > 0 && [1, batch].includes(batches[0]) && [1, batch].includes(batches[1]), () => `product of [${a.shape.join()}] and [${b.shape.join()}], transposed: ${factors.transposeA}, ${factors.transposeB}`);
  invariant(more === undefined || (more[0].outer === left.outer && more[1].outer === right.outer && more[0].depth === more[1].depth), () => "an addend of another shape");
  const plan: Plan = { left, right, more, batches, resultStride, resultStart, hasBias: bias !== undefined, hasScale: scale !== undefined, accumulates: into?.adds === true, tile };
  const tensors = [a, b, addend?.a, addend?.b, bias, scale, result].filter((tensor) => tensor !== undefined);
  queueProgram(backend, preparedFor(backend, plan), tensors);
  return result;
}

/** Everything about a product but its numbers. */
interface Plan extends Pick<ProductSpec, "hasBias" | "hasScale" | "accumulates"> {
  readonly left: Side;
  readonly right: Side;
  readonly more: readonly [Side, Side] | undefined;
  readonly batches: readonly [number, number];
  readonly resultStride: number;
  readonly resultStart: number;
  readonly tile: TileShape | undefined;
}

const preparedByDevice = new WeakMap<GPUDevice, Map<string, Prepared>>();
/** Plans beyond this many are forgotten: lengths may never repeat. */
const MAX_PLANS = 8192;

/** Steps repeat their products: what follows from the plan is worked out once. */
function preparedFor(backend: WebGPUBackend, plan: Plan): Prepared {
  const all = preparedByDevice.get(backend.device) ?? new Map<string, Prepared>();
  preparedByDevice.set(backend.device, all);
  const { left, right, more, batches, resultStride, resultStart, hasBias, hasScale, accumulates, tile } = plan;
  const mode = matrixUnitMode(backend);
  const key = `${keyOf(left)} ${keyOf(right)} ${more === undefined ? "" : `${keyOf(more[0])} ${keyOf(more[1])}`} ${batches[0]} ${batches[1]} ${resultStride} ${resultStart} ${hasBias} ${hasScale} ${accumulates} ${mode}${tile === undefined ? "" : ` ${tileName(tile)}`}`;
  const known = all.get(key);
  if (known !== undefined) return known;
  const prepared = preparedAnew(backend, plan, mode);
  if (all.size >= MAX_PLANS) all.clear();
  all.set(key, prepared);
  return prepared;
}

function keyOf({ operand: { isDepthFirst, isHalf }, outer, depth, stride, start }: Side): string {
  return `${outer} ${depth} ${stride} ${start} ${isDepthFirst} ${isHalf}`;
}

function preparedAnew(backend: WebGPUBackend, { left, right, more, batches, resultStride, resultStart, tile, ...flags }: Plan, mode: MatrixUnitMode | undefined): Prepared {
  const size = { rows: left.outer, columns: right.outer, depth: left.depth };
  const spec: ProductSpec = {
    ...flags,
    left: left.operand,
    right: right.operand,
    addend: more && { left: more[0].operand, right: more[1].operand },
    isResultAligned: areQuads(size.columns, resultStride, resultStart),
  };
  const uniforms = {
    ...size,
    leftStride: left.stride,
    leftStart: left.start,
    leftBatch: batches[0] === 1 ? 0 : size.rows * size.depth,
    rightStride: right.stride,
    rightStart: right.start,
    rightBatch: batches[1] === 1 ? 0 : size.columns * size.depth,
    resultStride,
    resultStart,
    ...(more && { addendDepth: more[0].depth, addendLeftStride: more[0].stride, addendLeftStart: more[0].start, addendRightStride: more[1].stride }),
  };
  const result = { ...size, batch: Math.max(...batches) };
  const isLarge = Math.min(size.rows, size.columns, size.depth) >= LEAST_FOR_MATRIX_UNITS;
  if (mode !== undefined && isLarge && tile === undefined) return prepare(backend, matrixUnitProgram(spec, mode), uniforms, groupsOf(MATRIX_UNIT_TILE, result));
  const shape = tile ?? tileFor(backend.device.limits, result);
  return prepare(backend, productProgram(spec, shape), uniforms, groupsOf(shape, result));
}

/** tfjs's kernel. */
export const batchMatMul: WebGpuKernel = ({ backend, inputs: { a, b }, attributes: { transposeA, transposeB } }) => {
  invariant(a !== undefined && b !== undefined, () => "BatchMatMul without two tensors");
  invariant(a.dtype === "float32" && b.dtype === "float32", () => `a product of ${a.dtype} and ${b.dtype}`);
  return multiply(backend, { a, b, transposeA: transposeA === true, transposeB: transposeB === true });
};

/** Smaller sides than this leave most of the matrix units' tile empty. */
const LEAST_FOR_MATRIX_UNITS = 64;

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

function sideOf({ shape, dtype }: TensorInfo, isDepthFirst: boolean, columns: Columns | undefined): Side {
  const isHalf = dtype === "int32";
  const [memoryRows = 0, width = 0] = shape.slice(-2);
  const stride = isHalf ? 2 * width : width;
  const { start, count } = columns ?? { start: 0, count: stride };
  const [depth, outer] = isDepthFirst ? [memoryRows, count] : [count, memoryRows];
  const isAligned = areQuads(stride, start, count);
  invariant(isAligned || !isHalf, () => `halves [${shape.join()}] in rows that are no quads`);
  return { operand: { isDepthFirst, isAligned, isHalf }, outer, depth, stride, start };
}

function batchOf({ shape }: TensorInfo): number {
  return shape.slice(0, -2).reduce((product, size) => product * size, 1);
}

function areQuads(...lengths: number[]): boolean {
  return lengths.every((length) => length % 4 === 0);
}

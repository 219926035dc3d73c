/**
 * @file Matrix products as compute programs: what tells their code apart, what they read and how it lies in memory.
 * Shapes: M rows, N columns, K depth of the product.
 */
import type { Program } from "./dispatch.ts";
import { productCode } from "./matmul-code.ts";

export interface TileShape {
  /** Of the result, per workgroup: multiples of 16. */
  readonly rows: number;
  readonly columns: number;
  /** Of K, at a time: a multiple of four times `slices`. */
  readonly depth: number;
  /** Rows and columns of a thread's block; 4 where there are slices. */
  readonly perThread: 4 | 8;
  /** Groups of threads that share the depth between them: for tiles too small to keep a workgroup busy. */
  readonly slices: number;
}

/** How a matrix lies in memory. */
export interface Operand {
  /** [K, rows] rather than [rows, K]; "rows" are N's for the matrix on the right. */
  readonly isDepthFirst: boolean;
  /** Whether its memory's rows begin and end on multiples of four numbers. */
  readonly isAligned: boolean;
  /** Pairs of halves, as half-weight.ts has them; such a matrix is aligned. */
  readonly isHalf: boolean;
}

/** a b + c d, each with M rows on the left and N columns on the right. */
export interface ProductSpec {
  readonly left: Operand;
  readonly right: Operand;
  /** A second product, that is added. */
  readonly addend?: { readonly left: Operand; readonly right: Operand } | undefined;
  /** Whether N, and where rows of the result begin, are multiples of four. */
  readonly isResultAligned: boolean;
  readonly hasBias: boolean;
  /** A number in memory that the sum is multiplied with before the bias. */
  readonly hasScale: boolean;
  /** Whether it is added to what the result holds. */
  readonly accumulates: boolean;
}

/** `Stride`: numbers from one row of memory to the next; `Start`: before the first; `Batch`: from one product to the next. */
const UNIFORMS = {
  rows: "u32",
  columns: "u32",
  depth: "u32",
  leftStride: "u32",
  leftStart: "u32",
  leftBatch: "u32",
  rightStride: "u32",
  rightStart: "u32",
  rightBatch: "u32",
  resultStride: "u32",
  resultStart: "u32",
} as const;

const ADDEND_UNIFORMS = { addendDepth: "u32", addendLeftStride: "u32", addendLeftStart: "u32", addendRightStride: "u32" } as const;

export function productProgram(spec: ProductSpec, tile: TileShape): Program {
  return { name: `product/${tileName(tile)}/${flagsOf(spec)}`, ...productInterface(spec), code: () => productCode(spec, tile) };
}

/** Buffers `a` to `d`, `bias`, `scale` and `result`, and uniforms. */
export function productInterface({ left, right, addend, isResultAligned, hasBias, hasScale }: ProductSpec): Pick<Program, "reads" | "writes" | "uniforms"> {
  return {
    reads: {
      a: operandElement(left),
      b: operandElement(right),
      ...(addend === undefined ? {} : { c: operandElement(addend.left), d: operandElement(addend.right) }),
      ...(hasBias ? { bias: "f32" } : {}),
      ...(hasScale ? { scale: "f32" } : {}),
    },
    writes: { result: elementOf(isResultAligned) },
    uniforms: { ...UNIFORMS, ...(addend === undefined ? {} : ADDEND_UNIFORMS) },
  };
}

/** What tells the code of two products apart. */
export function flagsOf({ left, right, addend, isResultAligned, hasBias, hasScale, accumulates }: ProductSpec): string {
  const operands = [left, right, ...(addend === undefined ? [] : [addend.left, addend.right])].flatMap(({ isDepthFirst, isAligned, isHalf }) => [isDepthFirst, isAligned, isHalf]);
  return [isResultAligned, hasBias, hasScale, accumulates, ...operands].map(Number).join("");
}

/** rows x columns x depth / block / slices. */
export function tileName({ rows, columns, depth, perThread, slices }: TileShape): string {
  return `${rows}x${columns}x${depth}/${perThread}/${slices}`;
}

export function threadsOf({ rows, columns, perThread, slices }: TileShape): number {
  return (slices * rows * columns) / perThread ** 2;
}

/** Bytes of a workgroup's own memory: two parts of each matrix, and every slice's sums. */
export function workgroupBytes({ rows, columns, depth, slices }: TileShape): number {
  return 4 * (2 * depth * (rows + columns) + (slices === 1 ? 0 : slices * rows * columns));
}

function operandElement({ isAligned, isHalf }: Operand): "vec4<f32>" | "f32" | "vec2<u32>" {
  return isHalf ? "vec2<u32>" : elementOf(isAligned);
}

function elementOf(isAligned: boolean): "vec4<f32>" | "f32" {
  return isAligned ? "vec4<f32>" : "f32";
}

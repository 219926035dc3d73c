/** @file How the shaders of matrix products read matrices and write results, as WGSL. */
import { HALF_SCALE } from "../half-weight.ts";
import type { Operand, ProductSpec } from "./matmul-program.ts";

/** A matrix in the shader. */
export interface Matrix {
  readonly name: string;
  readonly operand: Operand;
  /** Uniforms: its length along M or N and along K, and the distance of memory's rows. */
  readonly outer: string;
  readonly depth: string;
  readonly stride: string;
  /** Where it begins in memory; may read `batch`. */
  readonly start: string;
}

/** The matrices of the product and of what is added, left and right. */
export function matricesOf({ left, right, addend }: ProductSpec): { readonly own: readonly [Matrix, Matrix]; readonly addend: readonly [Matrix, Matrix] | undefined } {
  return {
    own: [
      { name: "a", operand: left, outer: "u.rows", depth: "u.depth", stride: "u.leftStride", start: "u.leftStart + batch * u.leftBatch" },
      { name: "b", operand: right, outer: "u.columns", depth: "u.depth", stride: "u.rightStride", start: "u.rightStart + batch * u.rightBatch" },
    ],
    addend: addend && [
      { name: "c", operand: addend.left, outer: "u.rows", depth: "u.addendDepth", stride: "u.addendLeftStride", start: "u.addendLeftStart" },
      { name: "d", operand: addend.right, outer: "u.columns", depth: "u.addendDepth", stride: "u.addendRightStride", start: "0u" },
    ],
  };
}

/** `quad_<name>(row, column, start)`: four numbers of a row of memory; zero outside the matrix. */
export function quadCode({ name, operand: { isDepthFirst, isAligned, isHalf }, outer, depth, stride }: Matrix): string {
  const [rows, columns] = isDepthFirst ? [depth, outer] : [outer, depth];
  const singles = [1, 2, 3].map((i) => `if (column + ${i}u < ${columns}) { quad[${i}] = ${name}[at + ${i}u]; }`).join(" ");
  return `
fn quad_${name}(row: u32, column: u32, start: u32) -> vec4<f32> {
  if (row >= ${rows} || column >= ${columns}) { return vec4<f32>(); }
  let at = start + row * ${stride} + column;
  ${isHalf ? `return ${widenCode(`${name}[at / 4u]`)};` : isAligned ? `return ${name}[at / 4u];` : `var quad = vec4<f32>(${name}[at], 0, 0, 0); ${singles} return quad;`}
}`;
}

/** Two pairs of halves as numbers. */
export function widenCode(pairs: string): string {
  return `vec4<f32>(unpack2x16float(${pairs}.x), unpack2x16float(${pairs}.y)) * ${1 / HALF_SCALE}`;
}

/** `write(at, product)`: column, row and batch, and four numbers in a row, with what is to be added. */
export function epilogueCode({ isResultAligned, hasBias, hasScale, accumulates }: ProductSpec): string {
  const quad = `${hasBias ? "value += vec4<f32>(bias[at.x], bias[at.x + 1u], bias[at.x + 2u], bias[at.x + 3u]);" : ""}
  result[index / 4u] = value${accumulates ? " + result[index / 4u]" : ""};`;
  const single = (i: number): string => `if (at.x + ${i}u < u.columns) { result[index + ${i}u] = value[${i}]${hasBias ? ` + bias[at.x + ${i}u]` : ""}${accumulates ? ` + result[index + ${i}u]` : ""}; }`;
  return `
fn write(at: vec3<u32>, product: vec4<f32>) {
  if (at.y >= u.rows || at.x >= u.columns) { return; }
  var value = product${hasScale ? " * scale[0]" : ""};
  let index = (at.z * u.rows + at.y) * u.resultStride + u.resultStart + at.x;
  ${isResultAligned ? quad : [0, 1, 2, 3].map(single).join("\n  ")}
}`;
}

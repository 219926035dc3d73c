/**
 * @file A matrix product on the device's matrix units (WGSL's experimental subgroup matrices), which multiply numbers of half
 * precision and add in single. A workgroup of eight subgroups computes 128 x 128; a subgroup 64 x 32 in pieces of 16 x 16.
 * Shapes: M rows, N columns, K depth of the product.
 */
import type { Program } from "./dispatch.ts";
import { epilogueCode, type Matrix, matricesOf, quadCode } from "./matmul-memory.ts";
import { flagsOf, productInterface, type ProductSpec } from "./matmul-program.ts";

/**
 * How float32 numbers enter: "half" rounds them to 11 bits; "split" takes each as the sum of two halves, 22 bits, and
 * leaves out the product of the two small parts: three products instead of one.
 */
export type MatrixUnitMode = "half" | "split";

export const MATRIX_UNIT_TILE = { rows: 128, columns: 128 } as const;

const DEPTH = 32;
const THREADS = 256;
/** Quads of halves from one row of a part to the next: 80 bytes, so that rows begin on multiples of 16 and in different banks. */
const ROW = DEPTH / 4 + 2;
/** Keeps the small part away from the least numbers that a half can hold. */
const SMALL = 2048;
const LARGEST_HALF = 65504;

export function matrixUnitProgram(spec: ProductSpec, mode: MatrixUnitMode): Program {
  return {
    name: `matrix-unit-product/${mode}/${flagsOf(spec)}`,
    enables: ["f16", "subgroups", "chromium_experimental_subgroup_matrix"],
    ...productInterface(spec),
    code: () => matrixUnitCode(spec, mode),
  };
}

function matrixUnitCode(spec: ProductSpec, mode: MatrixUnitMode): string {
  const { own, addend } = matricesOf(spec);
  const parts = mode === "half" ? [""] : ["", "Small"];
  const end = addend === undefined ? "u.depth" : "firstEnd + u.addendDepth";
  const pieces = [0, 1, 2, 3].flatMap((row) => [0, 1].map((column) => ({ row, column })));
  const each = (statement: (piece: { row: number; column: number }, name: string) => string): string => pieces.map((piece) => statement(piece, `${piece.row}_${piece.column}`)).join("\n      ");
  return `
${parts.map((part) => `var<workgroup> left${part}: array<vec4<f16>, ${128 * ROW}>; var<workgroup> right${part}: array<vec4<f16>, ${128 * ROW}>;`).join("\n")}
var<workgroup> scratch: array<vec4<f32>, 512>;
struct Block { v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32> }
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

${[...own, ...(addend ?? [])].map((matrix) => `${quadCode(matrix)}\n${rowsCode(matrix)}`).join("\n")}
${parts.map((part) => ["left", "right"].map((side) => storeCode(side, part)).join("\n")).join("\n")}

@compute @workgroup_size(${THREADS})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>, @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let origin = vec2<u32>(group.x * 128u, group.y * 128u);
  let batch = group.z;
  let firstRow = (subgroup / 4u) * 64u;
  let firstColumn = (subgroup % 4u) * 32u;
  ${each((_, name) => parts.map((part) => `var sum${part}${name}: Sum;`).join(" "))}
  ${addend === undefined ? "" : `let firstEnd = ((u.depth + ${DEPTH - 1}u) / ${DEPTH}u) * ${DEPTH}u;`}
  ${fetchNext("var ", "0u", own, addend)}
  for (var k = 0u; k < ${end}; k += ${DEPTH}u) {
    workgroupBarrier();
    ${parts.map((part) => `store_left${part}(leftPlace, nextLeft); store_right${part}(rightPlace, nextRight);`).join(" ")}
    workgroupBarrier();
    if (k + ${DEPTH}u < ${end}) { ${fetchNext("", `(k + ${DEPTH}u)`, own, addend)} }
    for (var step = 0u; step < ${DEPTH / 4}u; step += 4u) {
      ${parts.map((part) => [0, 1].map((c) => `let y${part}${c} = subgroupMatrixLoad<Right, col_major>(&right${part}, (firstColumn + ${16 * c}u) * ${ROW}u + step, ${ROW}u);`).join(" ")).join("\n      ")}
      ${[0, 1, 2, 3]
        .map(
          (r) => `{
        ${parts.map((part) => `let x${part} = subgroupMatrixLoad<Left, row_major>(&left${part}, (firstRow + ${16 * r}u) * ${ROW}u + step, ${ROW}u);`).join(" ")}
        ${[0, 1].map((c) => `sum${r}_${c} = subgroupMatrixMultiplyAccumulate(x, y${c}, sum${r}_${c});${mode === "half" ? "" : ` sumSmall${r}_${c} = subgroupMatrixMultiplyAccumulate(xSmall, y${c}, sumSmall${r}_${c}); sumSmall${r}_${c} = subgroupMatrixMultiplyAccumulate(x, ySmall${c}, sumSmall${r}_${c});`}`).join(" ")}
      }`,
        )
        .join("\n      ")}
    }
  }
  ${each(({ row, column }, name) => writePiece({ row, column, name, mode }))}
}
${epilogueCode(spec)}`;
}

/** The blocks that this thread moves next, and where they go. */
function fetchNext(declaration: "var " | "", k: string, own: Pair, addend: Pair | undefined): string {
  const fetched = ([left, right]: Pair, from: string, prefix: string): string =>
    `${prefix}leftPlace = ${placeCode(left)}; ${prefix}rightPlace = ${placeCode(right)}; ${prefix}nextLeft = rows_${left.name}(origin.y + leftPlace.x, ${from} + leftPlace.y, ${left.start}); ${prefix}nextRight = rows_${right.name}(origin.x + rightPlace.x, ${from} + rightPlace.y, ${right.start});`;
  // The first part is the product's own: K is not empty.
  if (declaration !== "" || addend === undefined) return fetched(own, k, declaration);
  return `if (${k} < firstEnd) { ${fetched(own, k, "")} } else { ${fetched(addend, `${k} - firstEnd`, "")} }`;
}

type Pair = readonly [Matrix, Matrix];

/** A piece goes through the subgroup's scratch memory to the threads that write it out. */
function writePiece({ row, column, name, mode }: { row: number; column: number; name: string; mode: MatrixUnitMode }): string {
  const through = (sum: string): string => `workgroupBarrier(); subgroupMatrixStore<row_major>(&scratch, subgroup * 64u, ${sum}, 4u); workgroupBarrier();`;
  const small = mode === "half" ? "" : `${through(`sumSmall${name}`)} first += scratch[subgroup * 64u + lane] / ${SMALL}; second += scratch[subgroup * 64u + lane + 32u] / ${SMALL};`;
  const at = (half: number): string => `vec3<u32>(origin.x + firstColumn + ${16 * column}u + (lane % 4u) * 4u, origin.y + firstRow + ${16 * row + 8 * half}u + lane / 4u, group.z)`;
  return `{ ${through(`sum${name}`)} var first = scratch[subgroup * 64u + lane]; var second = scratch[subgroup * 64u + lane + 32u]; ${small} write(${at(0)}, first); write(${at(1)}, second); }`;
}

/** Row and depth, in a part, of the 4 x 4 block that a thread moves: neighbours read neighbouring memory. */
function placeCode({ operand: { isDepthFirst } }: Matrix): string {
  return isDepthFirst ? "vec2<u32>(thread % 32u, thread / 32u) * 4u" : `vec2<u32>(thread / ${DEPTH / 4}u, thread % ${DEPTH / 4}u) * 4u`;
}

/** Four rows, each of four successive depths. */
function rowsCode({ name, operand: { isDepthFirst } }: Matrix): string {
  const [row, column] = isDepthFirst ? ["depth", "outer"] : ["outer", "depth"];
  const fetched = [0, 1, 2, 3].map((i) => `let q${i} = quad_${name}(${row} + ${i}u, ${column}, start);`).join(" ");
  const turned = [0, 1, 2, 3].map((i) => `vec4<f32>(q0[${i}], q1[${i}], q2[${i}], q3[${i}])`);
  return `fn rows_${name}(outer: u32, depth: u32, start: u32) -> Block { ${fetched} return Block(${isDepthFirst ? turned.join(", ") : "q0, q1, q2, q3"}); }`;
}

function storeCode(side: string, part: string): string {
  const value = (i: number): string => {
    const clamped = `clamp(block.v${i}, vec4<f32>(-${LARGEST_HALF}), vec4<f32>(${LARGEST_HALF}))`;
    // quantizeToF16: a driver may take the way there and back through f16 for nothing.
    return part === "" ? `vec4<f16>(${clamped})` : `vec4<f16>((${clamped} - quantizeToF16(${clamped})) * ${SMALL}.0)`;
  };
  return `fn store_${side}${part}(place: vec2<u32>, block: Block) { ${[0, 1, 2, 3].map((i) => `${side}${part}[(place.x + ${i}u) * ${ROW}u + place.y / 4u] = ${value(i)};`).join(" ")} }`;
}

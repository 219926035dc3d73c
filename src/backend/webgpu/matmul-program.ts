/**
 * @file The shader of a matrix product. A workgroup computes a tile of the result: parts of both matrices go through its
 * own memory, the next while the last are multiplied, and every thread keeps a small block of the result in registers.
 * Shapes: M rows, N columns, K depth of the product.
 */
import type { Program } from "./dispatch.ts";

export interface TileShape {
  /** Of the result, per workgroup: multiples of 16. */
  readonly rows: number;
  readonly columns: number;
  /** Of K, at a time. */
  readonly depth: number;
  /** Rows and columns of a thread's block: 4 or 8. */
  readonly perThread: 4 | 8;
}

/** How a matrix lies in memory. */
export interface Operand {
  /** [K, rows] rather than [rows, K]; "rows" are N's for the matrix on the right. */
  readonly isDepthFirst: boolean;
  /** Whether its memory's rows begin and end on multiples of four numbers. */
  readonly isAligned: boolean;
}

export interface ProductCode {
  readonly tile: TileShape;
  readonly left: Operand;
  readonly right: Operand;
  /** Whether N, and where rows of the result begin, are multiples of four. */
  readonly isResultAligned: boolean;
  readonly hasBias: boolean;
  /** A number in memory that the product is multiplied with. */
  readonly hasScale: boolean;
  /** Whether the product is added to what the result holds. */
  readonly accumulates: boolean;
}

/** `Stride`: numbers from one row of memory to the next; `Start`: before the first; `Batch`: from one product to the next. */
export const PRODUCT_UNIFORMS = {
  rows: "u32",
  columns: "u32",
  depth: "u32",
  leftStride: "u32",
  leftStart: "u32",
  leftBatch: "u32",
  rightStride: "u32",
  rightBatch: "u32",
  resultStride: "u32",
  resultStart: "u32",
} as const;

export function threadsOf({ rows, columns, perThread }: TileShape): number {
  return (rows * columns) / perThread ** 2;
}

/** Bytes of a workgroup's own memory: two parts of each matrix. */
export function workgroupBytes({ rows, columns, depth }: TileShape): number {
  return 2 * depth * (rows + columns) * 4;
}

export function productProgram(product: ProductCode): Program {
  const { tile, left, right, isResultAligned, hasBias, hasScale, accumulates } = product;
  const key = [left.isDepthFirst, left.isAligned, right.isDepthFirst, right.isAligned, isResultAligned, hasBias, hasScale, accumulates].map(Number).join("");
  return {
    name: `product/${tile.rows}x${tile.columns}x${tile.depth}/${tile.perThread}/${key}`,
    reads: { a: elementOf(left.isAligned), b: elementOf(right.isAligned), ...(hasBias ? { bias: "f32" } : {}), ...(hasScale ? { scale: "f32" } : {}) },
    writes: { result: elementOf(isResultAligned) },
    uniforms: PRODUCT_UNIFORMS,
    code: () => productCode(product),
  };
}

function elementOf(isAligned: boolean): "vec4<f32>" | "f32" {
  return isAligned ? "vec4<f32>" : "f32";
}

function productCode({ tile, left, right, isResultAligned, hasBias, hasScale, accumulates }: ProductCode): string {
  const { rows, columns, depth, perThread } = tile;
  const threads = threadsOf(tile);
  const [leftBlocks, rightBlocks] = [(rows * depth) / 16, (columns * depth) / 16];
  const rounds = range(Math.ceil((leftBlocks + rightBlocks) / threads));
  const quads = range(perThread / 4);
  const threadColumns = columns / perThread;
  return `
var<workgroup> leftPart: array<vec4<f32>, ${(2 * depth * rows) / 4}>;
var<workgroup> rightPart: array<vec4<f32>, ${(2 * depth * columns) / 4}>;
struct Block { v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32> }

${fetchCode({ name: "a", operand: left, outer: "u.rows", stride: "u.leftStride" })}
${fetchCode({ name: "b", operand: right, outer: "u.columns", stride: "u.rightStride" })}

fn leftAt(part: u32, k: u32, quad: u32) -> u32 { return (part * ${depth}u + k) * ${rows / 4}u + ${swizzled("quad", "k", rows)}; }
fn rightAt(part: u32, k: u32, quad: u32) -> u32 { return (part * ${depth}u + k) * ${columns / 4}u + ${swizzled("quad", "k", columns)}; }

fn fetchBlock(index: u32, origin: vec2<u32>, k: u32, offset: vec2<u32>) -> Block {
  if (index < ${leftBlocks}u) { ${blockPosition("index", left, rows, depth)} return fetch_a(origin.y + outer * 4u, k + inner * 4u, offset.x); }
  let other = index - ${leftBlocks}u;
  ${blockPosition("other", right, columns, depth)}
  return fetch_b(origin.x + outer * 4u, k + inner * 4u, offset.y);
}

fn storeBlock(index: u32, part: u32, block: Block) {
  if (index < ${leftBlocks}u) {
    ${blockPosition("index", left, rows, depth)}
    leftPart[leftAt(part, inner * 4u, outer)] = block.v0;
    leftPart[leftAt(part, inner * 4u + 1u, outer)] = block.v1;
    leftPart[leftAt(part, inner * 4u + 2u, outer)] = block.v2;
    leftPart[leftAt(part, inner * 4u + 3u, outer)] = block.v3;
  } else if (index < ${leftBlocks + rightBlocks}u) {
    let other = index - ${leftBlocks}u;
    ${blockPosition("other", right, columns, depth)}
    rightPart[rightAt(part, inner * 4u, outer)] = block.v0;
    rightPart[rightAt(part, inner * 4u + 1u, outer)] = block.v1;
    rightPart[rightAt(part, inner * 4u + 2u, outer)] = block.v2;
    rightPart[rightAt(part, inner * 4u + 3u, outer)] = block.v3;
  }
}

@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
  let origin = vec2<u32>(group.x * ${columns}u, group.y * ${rows}u);
  let offset = vec2<u32>(u.leftStart + group.z * u.leftBatch, group.z * u.rightBatch);
  let column = thread % ${threadColumns}u;
  let row = thread / ${threadColumns}u;
  ${range(perThread).map((r) => quads.map((q) => `var sum${r}_${q} = vec4<f32>();`).join(" ")).join("\n  ")}
  var part = 0u;
  // One place that fetches and one that multiplies: drivers copy every function into its callers.
  for (var k = 0u; k < u.depth + ${depth}u; k += ${depth}u) {
    ${rounds.map((r) => `var next${r}: Block;`).join(" ")}
    if (k < u.depth) { ${rounds.map((r) => `next${r} = fetchBlock(thread + ${r * threads}u, origin, k, offset);`).join(" ")} }
    if (k > 0u) {
      for (var i = 0u; i < ${depth}u; i += 4u) {
        let x = leftAt(1u - part, i, row); let y = rightAt(1u - part, i, column);
        ${range(4).map((j) => multiplyCode(tile, j)).join("\n        ")}
      }
    }
    if (k < u.depth) { ${rounds.map((r) => `storeBlock(thread + ${r * threads}u, part, next${r});`).join(" ")} }
    workgroupBarrier();
    part = 1u - part;
  }
  ${range(perThread).map((r) => quads.map((q) => `write(vec3<u32>(origin.x + (column + ${(q * columns) / 8}u) * 4u, origin.y + (row + ${(Math.floor(r / 4) * rows) / 8}u) * 4u + ${r % 4}u, group.z), sum${r}_${q});`).join(" ")).join("\n  ")}
}

${epilogueCode({ isResultAligned, hasBias, hasScale, accumulates })}`;
}

/**
 * One step along K, the j-th of four. Their quads are swizzled alike, so two addresses serve all: what is added to them
 * here is known to the driver.
 */
function multiplyCode({ rows, columns, perThread }: TileShape, j: number): string {
  const quads = range(perThread / 4);
  const loads = quads.map((q) => `let x${q} = leftPart[x + ${(j * rows) / 4 + (q * rows) / 8}u]; let y${q} = rightPart[y + ${(j * columns) / 4 + (q * columns) / 8}u];`);
  const sums = range(perThread).map((r) => quads.map((q) => `sum${r}_${q} = fma(vec4<f32>(x${Math.floor(r / 4)}.${"xyzw"[r % 4]}), y${q}, sum${r}_${q});`).join(" "));
  return `{ ${loads.join(" ")} ${sums.join(" ")} }`;
}

/** A quad's place in a row of a part: neighbours along K would else meet in one memory bank. */
function swizzled(quad: string, k: string, width: number): string {
  const mask = width >= 32 ? 3 : width >= 16 ? 1 : 0;
  return mask === 0 ? quad : `(${quad} ^ (((${k} >> 2u) & ${mask}u) << 1u))`;
}

/** Which 4 x 4 block of a part a thread moves: neighbours read neighbouring memory. */
function blockPosition(index: string, { isDepthFirst }: Operand, width: number, depth: number): string {
  const [fast, slow, length] = isDepthFirst ? ["outer", "inner", width / 4] : ["inner", "outer", depth / 4];
  return `let ${fast} = ${index} % ${length}u; let ${slow} = ${index} / ${length}u;`;
}

export interface QuadCode {
  readonly name: string;
  readonly operand: Operand;
  /** The uniforms with the length along M or N, and the distance of memory's rows. */
  readonly outer: string;
  readonly stride: string;
}

/** Four numbers of a row of memory; zero outside the matrix. */
export function quadCode({ name, operand: { isDepthFirst, isAligned }, outer, stride }: QuadCode): string {
  const [memoryRows, memoryColumns] = isDepthFirst ? ["u.depth", outer] : [outer, "u.depth"];
  return `
fn quad_${name}(row: u32, column: u32, offset: u32) -> vec4<f32> {
  if (row >= ${memoryRows} || column >= ${memoryColumns}) { return vec4<f32>(); }
  let at = offset + row * ${stride} + column;
  ${isAligned ? `return ${name}[at / 4u];` : `var quad = vec4<f32>(${name}[at], 0, 0, 0); ${range(3).map((i) => `if (column + ${i + 1}u < ${memoryColumns}) { quad[${i + 1}] = ${name}[at + ${i + 1}u]; }`).join(" ")} return quad;`}
}`;
}

/** Four quads along the rows, for four successive depths. */
function fetchCode(code: QuadCode): string {
  const { name, operand } = code;
  const [row, column] = operand.isDepthFirst ? ["depth", "outer"] : ["outer", "depth"];
  const fetched = range(4).map((i) => `let q${i} = quad_${name}(${row} + ${i}u, ${column}, offset);`).join(" ");
  const turned = range(4).map((i) => `vec4<f32>(${range(4).map((j) => `q${j}[${i}]`).join(", ")})`);
  return `${quadCode(code)}
fn fetch_${name}(outer: u32, depth: u32, offset: u32) -> Block { ${fetched} return Block(${operand.isDepthFirst ? "q0, q1, q2, q3" : turned.join(", ")}); }`;
}

/** `write(at, product)`: column, row and batch, and four numbers in a row, with what is to be added. */
export function epilogueCode({ isResultAligned, hasBias, hasScale, accumulates }: Pick<ProductCode, "isResultAligned" | "hasBias" | "hasScale" | "accumulates">): string {
  return `
fn write(at: vec3<u32>, product: vec4<f32>) {
  if (at.y >= u.rows || at.x >= u.columns) { return; }
  var value = product${hasScale ? " * scale[0]" : ""};
  let index = (at.z * u.rows + at.y) * u.resultStride + u.resultStart + at.x;
  ${isResultAligned ? writeQuad({ hasBias, accumulates }) : writeSingles({ hasBias, accumulates })}
}`;
}

interface Epilogue {
  readonly hasBias: boolean;
  readonly accumulates: boolean;
}

function writeQuad({ hasBias, accumulates }: Epilogue): string {
  return `${hasBias ? "value += vec4<f32>(bias[at.x], bias[at.x + 1u], bias[at.x + 2u], bias[at.x + 3u]);" : ""}
  result[index / 4u] = value${accumulates ? " + result[index / 4u]" : ""};`;
}

function writeSingles({ hasBias, accumulates }: Epilogue): string {
  const single = (i: number): string => `if (at.x + ${i}u < u.columns) { result[index + ${i}u] = value[${i}]${hasBias ? ` + bias[at.x + ${i}u]` : ""}${accumulates ? ` + result[index + ${i}u]` : ""}; }`;
  return range(4).map(single).join("\n  ");
}

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

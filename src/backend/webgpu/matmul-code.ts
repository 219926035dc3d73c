/**
 * @file The shader of a matrix product. A workgroup computes a tile of the result: parts of both matrices go through its
 * own memory, the next while the last are multiplied, and every thread keeps a small block of the result in registers.
 */
import { epilogueCode, type Matrix, matricesOf, quadCode } from "./matmul-memory.ts";
import { type ProductSpec, threadsOf, type TileShape } from "./matmul-program.ts";
import { range } from "./range.ts";

export function productCode(spec: ProductSpec, tile: TileShape): string {
  const { rows, columns, depth, perThread, slices } = tile;
  const { own, addend } = matricesOf(spec);
  const threads = threadsOf(tile);
  const perSlice = threads / slices;
  const rounds = range(Math.ceil(((rows + columns) * depth) / 16 / threads));
  // The addend's parts follow the product's, the last of which may be partly empty.
  const end = addend === undefined ? "u.depth" : "firstEnd + u.addendDepth";
  const eachRound = (statement: (next: string, block: string) => string): string => rounds.map((r) => statement(`next${r}`, `thread + ${r * threads}u`)).join(" ");
  return `
var<workgroup> leftPart: array<array<vec4<f32>, ${rows / 4}>, ${2 * depth}>;
var<workgroup> rightPart: array<array<vec4<f32>, ${columns / 4}>, ${2 * depth}>;
${slices === 1 ? "" : `var<workgroup> sums: array<vec4<f32>, ${(slices * rows * columns) / 4}>;`}
struct Block { v0: vec4<f32>, v1: vec4<f32>, v2: vec4<f32>, v3: vec4<f32> }
${pairCode("own", own, tile)}
${addend === undefined ? "" : pairCode("addend", addend, tile)}

@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
  let origin = vec2<u32>(group.x * ${columns}u, group.y * ${rows}u);
  let slice = thread / ${perSlice}u;
  ${placeCode(tile, perSlice)}
  ${addend === undefined ? "" : `let firstEnd = ((u.depth + ${depth - 1}u) / ${depth}u) * ${depth}u;`}
  ${sumNames(tile).map((sum) => `var ${sum} = vec4<f32>();`).join(" ")}
  var part = 0u;
  // One place that fetches and one that multiplies: drivers copy every function into its callers.
  for (var k = 0u; k < ${end} + ${depth}u; k += ${depth}u) {
    ${eachRound((next) => `var ${next}: Block;`)}
    if (k < ${end}) { ${eachRound((next, block) => byPair(addend, (pair, from) => `${next} = fetch_${pair}(${block}, origin, ${from}, group.z);`))} }
    if (k > 0u) {
      for (var i = 0u; i < ${depth / 4 / slices}u; i++) {
        let four = ${slices === 1 ? "i" : `i * ${slices}u + slice`};
        let line = ((1u - part) % 2u) * ${depth}u + four * 4u;
        let x = ${swizzled("row", "four", rows / perThread)} % ${rows / perThread}u; let y = ${swizzled("column", "four", columns / perThread)} % ${columns / perThread}u;
        ${range(4).map((j) => multiplyCode(tile, j)).join("\n        ")}
      }
    }
    if (k < ${end}) { ${eachRound((next, block) => byPair(addend, (pair) => `store_${pair}(${block}, part, ${next});`))} }
    workgroupBarrier();
    part = 1u - part;
  }
  ${slices === 1 ? writeSums(tile) : writeSlices(tile)}
}
${epilogueCode(spec)}`;
}

/** Which block of the tile a thread computes. 32 neighbours take 4 x 8 blocks where they can: fewest numbers to read for all of them. */
function placeCode({ rows, columns, perThread, slices }: TileShape, perSlice: number): string {
  const [across, down] = [columns / perThread, rows / perThread];
  if (slices > 1 || across % 8 !== 0 || down % 4 !== 0) return `let column = (thread % ${perSlice}u) % ${across}u; let row = (thread % ${perSlice}u) / ${across}u;`;
  return `let column = ((thread / 32u) % ${across / 8}u) * 8u + thread % 8u; let row = ((thread / 32u) / ${across / 8}u) * 4u + (thread % 32u) / 8u;`;
}

/** A statement for the product's own pair of matrices, up to its end for both pairs. */
function byPair(addend: unknown, statement: (pair: "own" | "addend", from: string) => string): string {
  return addend === undefined ? statement("own", "k") : `if (k < firstEnd) { ${statement("own", "k")} } else { ${statement("addend", "k - firstEnd")} }`;
}

/** Fetching and storing the 4 x 4 blocks of a pair of matrices: first those of the left one's part, then of the right one's. */
function pairCode(pair: string, [left, right]: readonly [Matrix, Matrix], { rows, columns, depth, perThread }: TileShape): string {
  const leftBlocks = (rows * depth) / 16;
  const blocks = leftBlocks + (columns * depth) / 16;
  const store = (side: string, width: number): string => `let line = (part % 2u) * ${depth}u + (inner % ${depth / 4}u) * 4u; let at = ${swizzled("outer", "inner", width / perThread)} % ${width / 4}u; ${range(4).map((i) => `${side}Part[line + ${i}u][at] = block.v${i};`).join(" ")}`;
  return `
${fetchCode(left)}
${fetchCode(right)}
fn fetch_${pair}(index: u32, origin: vec2<u32>, k: u32, batch: u32) -> Block {
  if (index < ${leftBlocks}u) { ${blockPosition("index", left, rows, depth)} return block_${left.name}(origin.y + outer * 4u, k + inner * 4u, ${left.start}); }
  let other = index - ${leftBlocks}u;
  ${blockPosition("other", right, columns, depth)}
  return block_${right.name}(origin.x + outer * 4u, k + inner * 4u, ${right.start});
}
fn store_${pair}(index: u32, part: u32, block: Block) {
  if (index < ${leftBlocks}u) { ${blockPosition("index", left, rows, depth)} ${store("left", rows)} }
  else if (index < ${blocks}u) { let other = index - ${leftBlocks}u; ${blockPosition("other", right, columns, depth)} ${store("right", columns)} }
}`;
}

/** Which 4 x 4 block of a part a thread moves: neighbours read neighbouring memory. */
function blockPosition(index: string, { operand: { isDepthFirst } }: Matrix, width: number, depth: number): string {
  const [fast, slow, length] = isDepthFirst ? ["outer", "inner", width / 4] : ["inner", "outer", depth / 4];
  return `let ${fast} = ${index} % ${length}u; let ${slow} = ${index} / ${length}u;`;
}

/** Four quads along the rows, for four successive depths. */
function fetchCode(matrix: Matrix): string {
  const { name, operand } = matrix;
  const [row, column] = operand.isDepthFirst ? ["depth", "outer"] : ["outer", "depth"];
  const fetched = range(4).map((i) => `let q${i} = quad_${name}(${row} + ${i}u, ${column}, start);`).join(" ");
  const turned = range(4).map((i) => `vec4<f32>(${range(4).map((j) => `q${j}[${i}]`).join(", ")})`);
  return `${quadCode(matrix)}
fn block_${name}(outer: u32, depth: u32, start: u32) -> Block { ${fetched} return Block(${operand.isDepthFirst ? "q0, q1, q2, q3" : turned.join(", ")}); }`;
}

/**
 * A quad's place in a row of a part, by fours of K: neighbours along K would else meet in one memory bank. It stays among the
 * `count` first quads of the threads' blocks, or the second. What it is divided by for a remainder, here and in other indices, is more than it can be: so Dawn sees that it stays inside the array, and need
 * not check it at every access.
 */
function swizzled(quad: string, four: string, count: number): string {
  const mask = count >= 8 ? 3 : count >= 4 ? 1 : 0;
  return mask === 0 ? quad : `(${quad} ^ ((${four} & ${mask}u) << 1u))`;
}

/** One step along K, the j-th of four. Their quads are swizzled alike, so two places serve all. */
function multiplyCode({ rows, columns, perThread }: TileShape, j: number): string {
  const quads = range(perThread / 4);
  const loads = quads.map((q) => `let x${q} = leftPart[line + ${j}u][x + ${(q * rows) / perThread}u]; let y${q} = rightPart[line + ${j}u][y + ${(q * columns) / perThread}u];`);
  const sums = range(perThread).map((r) => quads.map((q) => `sum${r}_${q} = fma(vec4<f32>(x${Math.floor(r / 4)}.${"xyzw"[r % 4]}), y${q}, sum${r}_${q});`).join(" "));
  return `{ ${loads.join(" ")} ${sums.join(" ")} }`;
}

function sumNames({ perThread }: TileShape): string[] {
  return range(perThread).flatMap((r) => range(perThread / 4).map((q) => `sum${r}_${q}`));
}

function writeSums({ rows, columns, perThread }: TileShape): string {
  const place = (r: number, q: number): string => `vec3<u32>(origin.x + (column + ${(q * columns) / 8}u) * 4u, origin.y + (row + ${(Math.floor(r / 4) * rows) / 8}u) * 4u + ${r % 4}u, group.z)`;
  return range(perThread).flatMap((r) => range(perThread / 4).map((q) => `write(${place(r, q)}, sum${r}_${q});`)).join("\n  ");
}

/** Every thread's four rows of a quad meet those of the other slices. */
function writeSlices({ rows, columns, slices }: TileShape): string {
  const quads = (rows * columns) / 4;
  return `${range(4).map((r) => `sums[slice * ${quads}u + (row * 4u + ${r}u) * ${columns / 4}u + column] = sum${r}_0;`).join(" ")}
  workgroupBarrier();
  if (thread < ${quads}u) {
    var total = vec4<f32>();
    for (var i = 0u; i < ${slices}u; i++) { total += sums[i * ${quads}u + thread % ${quads}u]; }
    write(vec3<u32>(origin.x + (thread % ${columns / 4}u) * 4u, origin.y + thread / ${columns / 4}u, group.z), total);
  }`;
}

/**
 * @file What the attention shaders share, as WGSL. Threads stand 16 by `down`: `down` counts vectors of own rows, `left` groups
 * of the other side's rows and, where rows are summed, quads of a head's numbers. Variables end in own row r and other row c.
 */
import { range } from "./range.ts";

/** How the two sides are cut. */
export interface AttentionTile {
  /** Own rows and other rows that a thread computes. A tile has 8 and 16 times as many. */
  readonly ownPerThread: 1 | 2 | 4 | 8;
  readonly otherPerThread: 2 | 4;
}

export interface AttentionCode {
  readonly headDim: number;
  readonly tile: AttentionTile;
  /** Whether a query sees a key only if key <= query < seenUntil[key]; else it sees all. */
  readonly hasTree: boolean;
}

/** Keys of a chunk, of which `seenUntil` has the largest. */
export const CHUNK = 32;

const DOWN = 8;
const LEFT = 16;
export const THREADS = DOWN * LEFT;

export function ownRows({ ownPerThread }: AttentionTile): number {
  return DOWN * ownPerThread;
}

export function otherRows({ otherPerThread }: AttentionTile): number {
  return LEFT * otherPerThread;
}

/** Tensors whose rows are H numbers. */
export type RowTensor = "query" | "key" | "value" | "dy";

export interface AttentionParts {
  readonly rows: readonly number[];
  /** Quads of a head's numbers that a thread sums. */
  readonly quads: readonly number[];
  /** WGSL's type of the row tensors' elements. */
  readonly element: "f32" | "vec4<f32>";
  readonly declarations: (ownTiles: number, own: readonly RowTensor[], other: readonly RowTensor[], summed: readonly RowTensor[]) => string;
  /** Who this thread and workgroup are. */
  readonly places: string;
  /** Products of the own tile's rows with the other side's. */
  readonly scores: (name: string, ownTile: number) => string;
  /** `sees`, and in "key" mode `sums` of the other side's queries. The own side is "query" or "key". */
  readonly visible: (own: "query" | "key") => string;
  readonly each: (statement: (r: number, c: number) => string) => string;
  readonly columns: readonly number[];
  /** Where an own row stands among all. */
  readonly ownRow: (r: number) => string;
  /** Statements about this thread's places for numbers of its own rows; `vector` puts them together. */
  readonly atLeft: (statement: (place: string, vector: (value: (r: number) => string) => string) => string) => string;
  /** The places of all threads with these own rows, combined: variables that `at` reads. */
  readonly overLeft: (name: string, start: (r: number) => string, combine: (sum: string, place: string) => string) => string;
  readonly at: (name: string, r: number) => string;
  readonly storeWeights: (name: string) => string;
  /** Adds the other side's rows, weighted. */
  readonly accumulate: (sum: { readonly sum: string; readonly of: RowTensor; readonly base: string; readonly limit: string }) => string;
  readonly write: (target: { readonly target: string; readonly base: string; readonly row: string; readonly quad: number; readonly value: string }) => string;
}

export function attentionParts({ headDim, tile, hasTree }: AttentionCode): AttentionParts {
  const { ownPerThread, otherPerThread } = tile;
  const width = Math.min(ownPerThread, 4);
  const vectors = range(ownPerThread / width);
  /** Vectors of own rows in a tile. */
  const groups = ownRows(tile) / width;
  const columns = range(otherPerThread);
  const quadsOfRow = Math.ceil(headDim / 4);
  const depth = 4 * quadsOfRow;
  const isAligned = headDim % 4 === 0;
  const rows = range(ownPerThread);
  const quads = range(Math.ceil(quadsOfRow / 16));
  const type = width === 1 ? "f32" : `vec${width}<f32>`;
  /** The r-th own row's number in the vectors name0, name1. */
  const at = (name: string, r: number): string => `${name}${Math.floor(r / width)}${width === 1 ? "" : `.${"xyzw"[r % width]}`}`;
  const vector = (v: number, value: (r: number) => string): string => `${type}(${range(width).map((i) => value(v * width + i)).join(", ")})`;
  const each = (statement: (r: number, c: number) => string): string => rows.map((r) => columns.map((c) => statement(r, c)).join(" ")).join("\n    ");
  /** Own rows of a thread lie in vectors that are a whole row of threads apart. */
  const ownRow = (r: number): string => `(ownFirst + ${Math.floor(r / width) * DOWN * width + (r % width)}u)`;
  /** Threads beyond a short row have nothing to sum. */
  const guarded = (quad: number, statement: string): string => (16 * (quad + 1) <= quadsOfRow ? `{ ${statement} }` : `if (left + ${16 * quad}u < ${quadsOfRow}u) { ${statement} }`);

  const quadCode = (name: RowTensor): string =>
    isAligned
      ? `fn quad_${name}(start: u32, quad: u32) -> vec4<f32> { return ${name}[start / 4u + quad]; }`
      : `fn quad_${name}(start: u32, quad: u32) -> vec4<f32> { var v = vec4<f32>(); for (var i = 0u; i < 4u; i++) { if (quad * 4u + i < ${headDim}u) { v[i] = ${name}[start + quad * 4u + i]; } } return v; }`;
  /** Rows turned on their side: neighbouring threads read neighbouring numbers, and write to different memory banks. */
  const loadCode = (name: RowTensor, { target, group, count, store }: { target: "Own" | "Other"; group: number; count: number; store: (component: number) => string }): string => `
fn load${target}_${name}(${target === "Own" ? "tile: u32, " : ""}first: u32, thread: u32, base: u32, limit: u32${target === "Own" ? ", factor: f32" : ""}) {
  for (var i = thread; i < ${count * quadsOfRow}u; i += ${THREADS}u) {
    let quad = i % ${quadsOfRow}u; let at = i / ${quadsOfRow}u;
    ${range(group)
      .map((r) => `var v${r} = vec4<f32>(); if (first + at * ${group}u + ${r}u < limit) { v${r} = quad_${name}(base + (first + at * ${group}u + ${r}u) * ${headsOf(name)} * ${headDim}u, quad)${target === "Own" ? " * factor" : ""}; }`)
      .join("\n    ")}
    ${range(4).map(store).join("\n    ")}
  }
}`;
  const weightPlace = (other: string, v: number): string => swizzled(`(down + ${v * DOWN}u)`, other, groups);
  const loaded = (j: number, count: number): string => range(count).map((r) => `v${r}[${j}]`).join(", ");

  return {
    rows,
    quads,
    element: isAligned ? "vec4<f32>" : "f32",
    declarations: (ownTiles, own, other, summed) => `
var<workgroup> own: array<array<${type}, ${groups}>, ${ownTiles * depth}>;
var<workgroup> other: array<array<vec${otherPerThread}<f32>, ${LEFT}>, ${depth}>;
var<workgroup> weights: array<array<${type}, ${groups}>, ${otherRows(tile)}>;
${[...new Set([...own, ...other, ...summed])].map(quadCode).join("\n")}
${own.map((name) => loadCode(name, { target: "Own", group: width, count: groups, store: (j) => `own[(tile % ${ownTiles}u) * ${depth}u + quad * 4u + ${j}u][${swizzled("at", "quad", groups)}] = ${type}(${loaded(j, width)});` })).join("\n")}
${other.map((name) => loadCode(name, { target: "Other", group: otherPerThread, count: LEFT, store: (j) => `other[quad * 4u + ${j}u][${swizzled("at", "quad", LEFT)}] = vec${otherPerThread}<f32>(${loaded(j, otherPerThread)});` })).join("\n")}`,
    places: `let left = thread % ${LEFT}u;
  let down = thread / ${LEFT}u;
  let queryRow = group.z * u.queries * u.heads + group.y;
  let queryBase = queryRow * ${headDim}u;
  let keyBase = (group.z * u.keys * u.keyHeads + group.y / (u.heads / u.keyHeads)) * ${headDim}u;
  let first = group.x * ${ownRows(tile)}u;
  let ownFirst = first + down * ${width}u;`,
    ownRow,
    scores: (name, ownTile) => `${each((r, c) => `var ${name}${r}_${c} = 0.0;`)}
    for (var quad = 0u; quad < ${quadsOfRow}u; quad++) {
      ${vectors.map((v) => `let ownPlace${v} = ${swizzled(`(down + ${v * DOWN}u)`, "quad", groups)};`).join(" ")} let otherPlace = ${swizzled("left", "quad", LEFT)};
      ${range(4)
        .map((j) => `{ ${vectors.map((v) => `let x${v} = own[quad * 4u + ${ownTile * depth + j}u][ownPlace${v}];`).join(" ")} let y = other[quad * 4u + ${j}u][otherPlace]; ${each((r, c) => `${name}${r}_${c} = fma(${at("x", r)}, y.${"xyzw"[c]}, ${name}${r}_${c});`)} }`)
        .join("\n      ")}
    }`,
    visible: (mode) => {
      const inside = mode === "query" ? ["u.queries", "u.keys"] : ["u.keys", "u.queries"];
      const others = columns.map((c) => `let place${c} = tileStart + left * ${otherPerThread}u + ${c}u;${mode === "key" ? ` let sums${c} = sums[queryRow + min(place${c}, u.queries - 1u) * u.heads];` : ""}`);
      const seen = (place: string): string => `u32(seenUntil[group.z * (u.keys + u.chunks) + min(${place}, u.keys - 1u)])`;
      const untils = !hasTree ? [] : mode === "query" ? columns.map((c) => `let until${c} = ${seen(`place${c}`)};`) : rows.map((r) => `let until${r} = ${seen(ownRow(r))};`);
      const tree = (r: number, c: number): string => {
        const [query, key, until] = mode === "query" ? [ownRow(r), `place${c}`, `until${c}`] : [`place${c}`, ownRow(r), `until${r}`];
        return hasTree ? ` & (${key} <= ${query}) & (${query} < ${until})` : "";
      };
      // & rather than &&: a software driver takes a minute to compile the branches.
      return [...others, ...untils, each((r, c) => `let sees${r}_${c} = (${ownRow(r)} < ${inside[0]}) & (place${c} < ${inside[1]})${tree(r, c)};`)].join("\n    ");
    },
    each,
    columns,
    atLeft: (statement) => vectors.map((v) => statement(`weights[left * ${otherPerThread}u][${weightPlace("left", v)}]`, (value) => vector(v, value))).join(" "),
    overLeft: (name, start, combine) =>
      `${vectors.map((v) => `var ${name}${v} = ${vector(v, start)};`).join(" ")} for (var i = 0u; i < ${LEFT}u; i++) { ${vectors.map((v) => `${name}${v} = ${combine(`${name}${v}`, `weights[i * ${otherPerThread}u][${weightPlace("i", v)}]`)};`).join(" ")} }`,
    at,
    storeWeights: (name) => columns.map((c) => vectors.map((v) => `weights[left * ${otherPerThread}u + ${c}u][${weightPlace("left", v)}] = ${vector(v, (r) => `${name}${r}_${c}`)};`).join(" ")).join(" "),
    // Weights behind the last row are zero; the last row is read again.
    accumulate: ({ sum, of, base, limit }) => `for (var i = 0u; i < ${LEFT}u; i++) {
      let firstOther = tileStart + i * ${otherPerThread}u;
      if (firstOther >= ${limit}) { break; }
      ${vectors.map((v) => `let weightPlace${v} = ${weightPlace("i", v)};`).join(" ")}
      ${columns
        .map(
          (j) =>
            `{ ${vectors.map((v) => `let w${v} = weights[i * ${otherPerThread}u + ${j}u][weightPlace${v}];`).join(" ")} let start = ${base} + min(firstOther + ${j}u, ${limit} - 1u) * ${headsOf(of)} * ${headDim}u; ${quads.map((q) => guarded(q, `let v = quad_${of}(start, left + ${16 * q}u); ${rows.map((r) => `${sum}${r}_${q} = fma(vec4<f32>(${at("w", r)}), v, ${sum}${r}_${q});`).join(" ")}`)).join(" ")} }`,
        )
        .join("\n      ")}
    }`,
    write: ({ target, base, row, quad, value }) =>
      guarded(
        quad,
        isAligned
          ? `${target}[(${base} + (${row}) * u.heads * ${headDim}u) / 4u + left + ${16 * quad}u] = ${value};`
          : `let v = ${value}; for (var i = 0u; i < 4u; i++) { let h = (left + ${16 * quad}u) * 4u + i; if (h < ${headDim}u) { ${target}[${base} + (${row}) * u.heads * ${headDim}u + h] = v[i]; } }`,
      ),
  };
}

/**
 * A vector's place among the `count` of its row, which four rows, or those of one thread, have in common: neighbours would else
 * meet in one memory bank. The remainder changes nothing: by it Dawn sees that the place is inside the array, and need not
 * check every access.
 */
function swizzled(place: string, row: string, count: number): string {
  return `((${place} ^ (${row} & ${count - 1}u)) % ${count}u)`;
}

/** Heads of a position, whose rows lie one behind the other. */
function headsOf(name: RowTensor): string {
  return name === "query" || name === "dy" ? "u.heads" : "u.keyHeads";
}

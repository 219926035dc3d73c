/**
 * @file What the attention shaders share, as WGSL. Threads stand 16 by 16: `down` counts groups of own rows, `left` pairs of
 * the other side's rows and, where rows are summed, quads of a head's numbers. Variables end in own row r and other row c.
 */
export interface AttentionCode {
  readonly headDim: number;
  /** Rows of the own tile that a thread computes; a tile has 16 times as many. */
  readonly perThread: 1 | 2 | 4;
  /** Whether a query sees a key only if key <= query < seenUntil[key]; else it sees all. */
  readonly hasTree: boolean;
}

/** Rows of a tile of the other side. */
export const OTHER = 32;
const THREADS = 256;

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
  /** `sees`, and in "key" mode `other`: the row of a query among all. The own side is "query" or "key". */
  readonly visible: (own: "query" | "key") => string;
  readonly each: (statement: (r: number, c: number) => string) => string;
  /** The own rows' values of a thread as one vector. */
  readonly vector: (value: (r: number) => string) => string;
  readonly at: (vector: string, r: number) => string;
  readonly storeWeights: (name: string) => string;
  /** Adds the other side's rows, weighted. */
  readonly accumulate: (sum: { readonly sum: string; readonly of: RowTensor; readonly base: string; readonly limit: string }) => string;
  readonly write: (target: { readonly target: string; readonly base: string; readonly row: string; readonly quad: number; readonly value: string }) => string;
}

export function attentionParts({ headDim, perThread, hasTree }: AttentionCode): AttentionParts {
  const quadsOfRow = Math.ceil(headDim / 4);
  const depth = 4 * quadsOfRow;
  const isAligned = headDim % 4 === 0;
  const rows = range(perThread);
  const quads = range(Math.ceil(quadsOfRow / 16));
  const type = perThread === 1 ? "f32" : `vec${perThread}<f32>`;
  const at = (vector: string, r: number): string => (perThread === 1 ? vector : `${vector}.${"xyzw"[r]}`);
  const vector = (value: (r: number) => string): string => `${type}(${rows.map(value).join(", ")})`;
  const each = (statement: (r: number, c: number) => string): string => rows.map((r) => range(2).map((c) => statement(r, c)).join(" ")).join("\n    ");
  /** Threads beyond a short row have nothing to sum. */
  const guarded = (quad: number, statement: string): string => (16 * (quad + 1) <= quadsOfRow ? `{ ${statement} }` : `if (left + ${16 * quad}u < ${quadsOfRow}u) { ${statement} }`);

  const quadCode = (name: RowTensor): string =>
    isAligned
      ? `fn quad_${name}(start: u32, quad: u32) -> vec4<f32> { return ${name}[start / 4u + quad]; }`
      : `fn quad_${name}(start: u32, quad: u32) -> vec4<f32> { var v = vec4<f32>(); for (var i = 0u; i < 4u; i++) { if (quad * 4u + i < ${headDim}u) { v[i] = ${name}[start + quad * 4u + i]; } } return v; }`;
  /** Rows turned on their side: neighbouring threads read neighbouring numbers, and write to different memory banks. */
  const loadCode = (name: RowTensor, { target, group, store }: { target: "Own" | "Other"; group: number; store: (component: number) => string }): string => `
fn load${target}_${name}(${target === "Own" ? "tile: u32, " : ""}first: u32, thread: u32, base: u32, limit: u32${target === "Own" ? ", factor: f32" : ""}) {
  for (var i = thread; i < ${16 * quadsOfRow}u; i += ${THREADS}u) {
    let quad = i % ${quadsOfRow}u; let at = i / ${quadsOfRow}u;
    ${range(group)
      .map((r) => `var v${r} = vec4<f32>(); if (first + at * ${group}u + ${r}u < limit) { v${r} = quad_${name}(base + (first + at * ${group}u + ${r}u) * ${headsOf(name)} * ${headDim}u, quad)${target === "Own" ? " * factor" : ""}; }`)
      .join("\n    ")}
    ${range(4).map(store).join("\n    ")}
  }
}`;

  return {
    rows,
    quads,
    element: isAligned ? "vec4<f32>" : "f32",
    declarations: (ownTiles, own, other, summed) => `
var<workgroup> own: array<${type}, ${ownTiles * depth * 16}>;
var<workgroup> other: array<vec2<f32>, ${depth * 16}>;
var<workgroup> weights: array<${type}, ${OTHER * 16}>;
fn ownAt(tile: u32, h: u32, i: u32) -> u32 { return (tile * ${depth}u + h) * 16u + (i ^ ((h >> 2u) & 15u)); }
fn otherAt(h: u32, i: u32) -> u32 { return h * 16u + (i ^ ((h >> 2u) & 15u)); }
fn weightAt(row: u32, i: u32) -> u32 { return row * 16u + (i ^ ((row >> 1u) & 15u)); }
${[...new Set([...own, ...other, ...summed])].map(quadCode).join("\n")}
${own.map((name) => loadCode(name, { target: "Own", group: perThread, store: (j) => `own[ownAt(tile, quad * 4u + ${j}u, at)] = ${vector((r) => `v${r}[${j}]`)};` })).join("\n")}
${other.map((name) => loadCode(name, { target: "Other", group: 2, store: (j) => `other[otherAt(quad * 4u + ${j}u, at)] = vec2<f32>(v0[${j}], v1[${j}]);` })).join("\n")}`,
    places: `let left = thread % 16u;
  let down = thread / 16u;
  let queryRow = group.z * u.queries * u.heads + group.y;
  let queryBase = queryRow * ${headDim}u;
  let keyBase = (group.z * u.keys * u.keyHeads + group.y / (u.heads / u.keyHeads)) * ${headDim}u;
  let first = group.x * ${16 * perThread}u;
  let ownRow = first + down * ${perThread}u;`,
    scores: (name, ownTile) => `${each((r, c) => `var ${name}${r}_${c} = 0.0;`)}
    for (var h = 0u; h < ${depth}u; h += 4u) {
      // Four rows are swizzled alike: what is added to their addresses is known to the driver.
      let ownStart = ownAt(${ownTile}u, h, down); let otherStart = otherAt(h, left);
      ${range(4)
        .map((j) => `{ let x = own[ownStart + ${16 * j}u]; let y = other[otherStart + ${16 * j}u]; ${each((r, c) => `${name}${r}_${c} = fma(${at("x", r)}, y.${"xy"[c]}, ${name}${r}_${c});`)} }`)
        .join("\n      ")}
    }`,
    visible: (mode) => {
      const inside = mode === "query" ? ["u.queries", "u.keys"] : ["u.keys", "u.queries"];
      const others = range(2).map((c) => `let place${c} = tileStart + left * 2u + ${c}u;${mode === "key" ? ` let other${c} = queryRow + min(place${c}, u.queries - 1u) * u.heads;` : ""}`);
      const seen = (place: string): string => `u32(seenUntil[group.z * u.keys + min(${place}, u.keys - 1u)])`;
      const untils = !hasTree ? [] : mode === "query" ? range(2).map((c) => `let until${c} = ${seen(`place${c}`)};`) : rows.map((r) => `let until${r} = ${seen(`ownRow + ${r}u`)};`);
      const tree = (r: number, c: number): string => {
        const [query, key, until] = mode === "query" ? [`ownRow + ${r}u`, `place${c}`, `until${c}`] : [`place${c}`, `ownRow + ${r}u`, `until${r}`];
        return hasTree ? ` & (${key} <= ${query}) & (${query} < ${until})` : "";
      };
      // & rather than &&: a software driver takes a minute to compile the branches.
      return [...others, ...untils, each((r, c) => `let sees${r}_${c} = (ownRow + ${r}u < ${inside[0]}) & (place${c} < ${inside[1]})${tree(r, c)};`)].join("\n    ");
    },
    each,
    vector,
    at,
    storeWeights: (name) => range(2).map((c) => `weights[weightAt(left * 2u + ${c}u, down)] = ${vector((r) => `${name}${r}_${c}`)};`).join(" "),
    // Weights behind the last row are zero; the row itself is read again.
    accumulate: ({ sum, of, base, limit }) => `for (var i = 0u; i < min(${OTHER}u, ${limit} - tileStart); i += 2u) {
      let weightStart = weightAt(i, down);
      let start = ${base} + (tileStart + i) * ${headsOf(of)} * ${headDim}u; let next = select(start, start + ${headsOf(of)} * ${headDim}u, tileStart + i + 1u < ${limit});
      ${range(2)
        .map((j) => `{ let w = weights[weightStart + ${16 * j}u]; ${quads.map((q) => guarded(q, `let v = quad_${of}(${j === 0 ? "start" : "next"}, left + ${16 * q}u); ${rows.map((r) => `${sum}${r}_${q} = fma(vec4<f32>(${at("w", r)}), v, ${sum}${r}_${q});`).join(" ")}`)).join(" ")} }`)
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

/** Heads of a position, whose rows lie one behind the other. */
function headsOf(name: RowTensor): string {
  return name === "query" || name === "dy" ? "u.heads" : "u.keyHeads";
}

export function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

/**
 * @file Shaders of attention that never write the scores to memory. A workgroup owns a tile of queries (or of keys, for
 * their gradients) and goes through the other side tile by tile, scores staying in the workgroup's own memory.
 * Shapes: B batch row, S queries, L keys, N query heads, K key/value heads, H head size.
 * @see Dao et al. 2022, FlashAttention, algorithms 1 and 4.
 */
import { type AttentionCode, type AttentionParts, attentionParts, CHUNK, otherRows, ownRows, THREADS } from "./attention-parts.ts";
import { type Program, programNamed } from "./dispatch.ts";

/** `chunks`: chunks of keys in a row. */
const UNIFORMS = { heads: "u32", keyHeads: "u32", queries: "u32", keys: "u32", chunks: "u32", scale: "f32" } as const;

/** [B, L + chunks]: of every key, then the largest of every CHUNK keys. */
const TREE = { seenUntil: "i32" } as const;

/** Bytes of a workgroup's own memory for `tiles` own tiles: 1 forward, 2 backward. */
export function attentionBytes({ headDim, tile }: Pick<AttentionCode, "headDim" | "tile">, tiles: 1 | 2): number {
  const [own, other] = [ownRows(tile), otherRows(tile)];
  return 4 * (4 * Math.ceil(headDim / 4) * (tiles * own + other) + other * own);
}

/** query [B, S, N, H], key and value [B, L, K, H]: output [B, S, N, H] and logSum [B, S, N], the logarithm of the sum of every query's exponentials. */
export function attentionProgram(code: AttentionCode): Program {
  return programNamed(`attention/${keyOf(code)}`, (name) => attentionShader(name, code));
}

function attentionShader(name: string, code: AttentionCode): Program {
  const parts = attentionParts(code);
  const { rows, quads, columns, element, at, ownRow } = parts;
  const perQuery = (statement: (r: number) => string): string => rows.map(statement).join("\n    ");
  return {
    name,
    reads: { query: element, key: element, value: element, ...treeOf(code) },
    writes: { result: element, logSum: "f32" },
    uniforms: UNIFORMS,
    code: () => `${parts.declarations(1, ["query"], ["key"], ["value"])}
${mainHead(parts)}
  loadOwn_query(0u, first, thread, queryBase, u.queries, u.scale);
  ${perQuery((r) => `var most${r} = -1e30; var sum${r} = 0.0; ${quads.map((q) => `var out${r}_${q} = vec4<f32>();`).join(" ")}`)}
  ${overKeys(code)} {
    ${skipUnseen(code)}
    workgroupBarrier();
    loadOther_key(tileStart, thread, keyBase, u.keys);
    workgroupBarrier();
    ${parts.scores("score", 0)}
    ${parts.visible("query")}
    ${parts.each((r, c) => `score${r}_${c} = select(-1e30, score${r}_${c}, sees${r}_${c});`)}
    ${parts.atLeft((place, vector) => `${place} = ${vector((r) => columns.map((c) => `score${r}_${c}`).reduce((most, score) => `max(${most}, ${score})`))};`)}
    workgroupBarrier();
    ${parts.overLeft("highest", (r) => `most${r}`, (most, place) => `max(${most}, ${place})`)}
    workgroupBarrier();
    ${perQuery((r) => `let fade${r} = exp(most${r} - ${at("highest", r)}); most${r} = ${at("highest", r)};`)}
    ${parts.each((r, c) => `let weight${r}_${c} = select(0.0, exp(score${r}_${c} - most${r}), sees${r}_${c});`)}
    ${perQuery((r) => `sum${r} = sum${r} * fade${r} + ${columns.map((c) => `weight${r}_${c}`).join(" + ")}; ${quads.map((q) => `out${r}_${q} *= fade${r};`).join(" ")}`)}
    ${parts.storeWeights("weight")}
    workgroupBarrier();
    ${parts.accumulate({ sum: "out", of: "value", base: "keyBase", limit: "u.keys" })}
  }
  workgroupBarrier();
  ${parts.atLeft((place, vector) => `${place} = ${vector((r) => `sum${r}`)};`)}
  workgroupBarrier();
  ${parts.overLeft("total", () => "0.0", (sum, place) => `${sum} + ${place}`)}
  ${perQuery(
    (r) => `if (${ownRow(r)} < u.queries) {
      ${quads.map((q) => parts.write({ target: "result", base: "queryBase", row: ownRow(r), quad: q, value: `out${r}_${q} / ${at("total", r)}` })).join("\n      ")}
      if (left == 0u) { logSum[queryRow + ${ownRow(r)} * u.heads] = most${r} + log(${at("total", r)}); }
    }`,
  )}
}`,
  };
}

/** Gradient of the query [B, S, N, H]; `sums` [B, S, N, 2]: `logSum`, and the sum of dy output. */
export function queryGradientProgram(code: AttentionCode): Program {
  return programNamed(`attention-query-gradient/${keyOf(code)}`, (name) => queryGradientShader(name, code));
}

function queryGradientShader(name: string, code: AttentionCode): Program {
  const parts = attentionParts(code);
  const { rows, quads, element, ownRow } = parts;
  return {
    name,
    reads: { query: element, key: element, value: element, dy: element, sums: "vec2<f32>", ...treeOf(code) },
    writes: { result: element },
    uniforms: UNIFORMS,
    code: () => `${parts.declarations(2, ["query", "dy"], ["key", "value"], ["key"])}
${mainHead(parts)}
  loadOwn_query(0u, first, thread, queryBase, u.queries, u.scale);
  loadOwn_dy(1u, first, thread, queryBase, u.queries, 1.0);
  ${rows.map((r) => `let row${r} = queryRow + min(${ownRow(r)}, u.queries - 1u) * u.heads; let sums${r} = sums[row${r}]; ${quads.map((q) => `var out${r}_${q} = vec4<f32>();`).join(" ")}`).join("\n  ")}
  ${overKeys(code)} {
    ${skipUnseen(code)}
    ${bothScores(["key", "value"], "keyBase", "u.keys", parts)}
    ${parts.visible("query")}
    ${parts.each((r, c) => `let change${r}_${c} = select(0.0, exp(score${r}_${c} - sums${r}.x) * (slope${r}_${c} - sums${r}.y), sees${r}_${c});`)}
    ${parts.storeWeights("change")}
    workgroupBarrier();
    ${parts.accumulate({ sum: "out", of: "key", base: "keyBase", limit: "u.keys" })}
  }
  ${rows.map((r) => `if (${ownRow(r)} < u.queries) { ${quads.map((q) => parts.write({ target: "result", base: "queryBase", row: ownRow(r), quad: q, value: `out${r}_${q} * u.scale` })).join(" ")} }`).join("\n  ")}
}`,
  };
}

/** Gradients of keys and values for every query head by itself, [B, L, N, H] each. */
export function keyGradientProgram(code: AttentionCode): Program {
  return programNamed(`attention-key-gradient/${keyOf(code)}`, (name) => keyGradientShader(name, code));
}

function keyGradientShader(name: string, code: AttentionCode): Program {
  const parts = attentionParts(code);
  const { rows, quads, element, ownRow } = parts;
  return {
    name,
    reads: { query: element, key: element, value: element, dy: element, sums: "vec2<f32>", ...treeOf(code) },
    writes: { dKey: element, dValue: element },
    uniforms: UNIFORMS,
    code: () => `${parts.declarations(2, ["key", "value"], ["query", "dy"], ["query", "dy"])}
${mainHead(parts)}
  loadOwn_key(0u, first, thread, keyBase, u.keys, u.scale);
  loadOwn_value(1u, first, thread, keyBase, u.keys, 1.0);
  ${rows.map((r) => quads.map((q) => `var dKey${r}_${q} = vec4<f32>(); var dValue${r}_${q} = vec4<f32>();`).join(" ")).join("\n  ")}
  ${overQueries(code)} {
    ${bothScores(["query", "dy"], "queryBase", "u.queries", parts)}
    ${parts.visible("key")}
    ${parts.each((r, c) => `let weight${r}_${c} = select(0.0, exp(score${r}_${c} - sums${c}.x), sees${r}_${c}); let change${r}_${c} = weight${r}_${c} * (slope${r}_${c} - sums${c}.y);`)}
    ${parts.storeWeights("weight")}
    workgroupBarrier();
    ${parts.accumulate({ sum: "dValue", of: "dy", base: "queryBase", limit: "u.queries" })}
    workgroupBarrier();
    ${parts.storeWeights("change")}
    workgroupBarrier();
    ${parts.accumulate({ sum: "dKey", of: "query", base: "queryBase", limit: "u.queries" })}
  }
  let resultBase = (group.z * u.keys * u.heads + group.y) * ${code.headDim}u;
  ${rows
    .map((r) => {
      const write = (target: string, value: string, quad: number): string => parts.write({ target, base: "resultBase", row: ownRow(r), quad, value });
      return `if (${ownRow(r)} < u.keys) { ${quads.map((q) => `${write("dKey", `dKey${r}_${q} * u.scale`, q)} ${write("dValue", `dValue${r}_${q}`, q)}`).join(" ")} }`;
    })
    .join("\n  ")}
}`,
  };
}

function mainHead({ places }: AttentionParts): string {
  return `@compute @workgroup_size(${THREADS})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>) {
  ${places}`;
}

/** Products with the other side's two tensors: `score` of the first, `slope` of the second. */
function bothScores([first, second]: readonly [string, string], base: string, limit: string, { scores }: AttentionParts): string {
  return `workgroupBarrier();
    loadOther_${first}(tileStart, thread, ${base}, ${limit});
    workgroupBarrier();
    ${scores("score", 0)}
    workgroupBarrier();
    loadOther_${second}(tileStart, thread, ${base}, ${limit});
    workgroupBarrier();
    ${scores("slope", 1)}`;
}

function overKeys({ hasTree, tile }: AttentionCode): string {
  const end = hasTree ? `min(u.keys, first + ${ownRows(tile)}u)` : "u.keys";
  return `for (var tileStart = 0u; tileStart < ${end}; tileStart += ${otherRows(tile)}u)`;
}

/** The last query that sees a key of chunk `i`, and one more. */
const CHUNK_SEEN_UNTIL = "seenUntil[group.z * (u.keys + u.chunks) + u.keys + i]";

/** Tiles of keys that no query from `first` on sees. */
function skipUnseen({ hasTree, tile }: AttentionCode): string {
  if (!hasTree) return "";
  return `var seen = 0; for (var i = tileStart / ${CHUNK}u; i < min(u.chunks, (tileStart + ${otherRows(tile) + CHUNK - 1}u) / ${CHUNK}u); i++) { seen = max(seen, ${CHUNK_SEEN_UNTIL}); }
    if (seen <= i32(first)) { continue; }`;
}

/** A key is seen from itself up to its last descendant. */
function overQueries({ hasTree, tile }: AttentionCode): string {
  const step = otherRows(tile);
  if (!hasTree) return `for (var tileStart = 0u; tileStart < u.queries; tileStart += ${step}u)`;
  return `var seen = 0u;
  for (var i = first / ${CHUNK}u; i < min(u.chunks, (first + ${ownRows(tile) + CHUNK - 1}u) / ${CHUNK}u); i++) { seen = max(seen, u32(${CHUNK_SEEN_UNTIL})); }
  for (var tileStart = (first / ${step}u) * ${step}u; tileStart < min(u.queries, seen); tileStart += ${step}u)`;
}

function treeOf({ hasTree }: AttentionCode): Partial<typeof TREE> {
  return hasTree ? TREE : {};
}

function keyOf({ headDim, tile: { ownPerThread, otherPerThread }, hasTree }: AttentionCode): string {
  return `${headDim}/${ownPerThread}x${otherPerThread}/${hasTree ? "tree" : "all"}`;
}

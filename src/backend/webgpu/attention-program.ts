/**
 * @file Shaders of attention that never write the scores to memory. A workgroup owns a tile of queries (or of keys, for
 * their gradients) and goes through the other side in tiles of 32, scores staying in the workgroup's own memory.
 * Shapes: B batch row, S queries, L keys, N query heads, K key/value heads, H head size.
 * @see Dao et al. 2022, FlashAttention, algorithms 1 and 4.
 */
import { type AttentionCode, type AttentionParts, attentionParts, OTHER } from "./attention-parts.ts";
import type { Program } from "./dispatch.ts";

/** `chunks`: tiles of OTHER keys in a row. */
const UNIFORMS = { heads: "u32", keyHeads: "u32", queries: "u32", keys: "u32", chunks: "u32", scale: "f32" } as const;

/** `seenUntil` [B, L] and, of every OTHER keys, the largest [B, chunks]. */
const TREE = { seenUntil: "i32", chunkSeenUntil: "i32" } as const;

export function ownRows({ perThread }: Pick<AttentionCode, "perThread">): number {
  return 16 * perThread;
}

/** Bytes of a workgroup's own memory for `tiles` own tiles: 1 forward, 2 backward. */
export function attentionBytes({ headDim, perThread }: Pick<AttentionCode, "headDim" | "perThread">, tiles: 1 | 2): number {
  const own = ownRows({ perThread });
  return 4 * (4 * Math.ceil(headDim / 4) * (tiles * own + OTHER) + OTHER * own);
}

/** query [B, S, N, H], key and value [B, L, K, H]: output [B, S, N, H] and logSum [B, S, N], the logarithm of the sum of every query's exponentials. */
export function attentionProgram(code: AttentionCode): Program {
  const parts = attentionParts(code);
  const { rows, quads, element, vector, at } = parts;
  const perQuery = (statement: (r: number) => string): string => rows.map(statement).join("\n    ");
  return {
    name: `attention/${keyOf(code)}`,
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
    weights[weightAt(left, down)] = ${vector((r) => `max(score${r}_0, score${r}_1)`)};
    workgroupBarrier();
    var highest = ${vector((r) => `most${r}`)};
    for (var i = 0u; i < 16u; i++) { highest = max(highest, weights[weightAt(i, down)]); }
    workgroupBarrier();
    ${perQuery((r) => `let fade${r} = exp(most${r} - ${at("highest", r)}); most${r} = ${at("highest", r)};`)}
    ${parts.each((r, c) => `let weight${r}_${c} = select(0.0, exp(score${r}_${c} - most${r}), sees${r}_${c});`)}
    ${perQuery((r) => `sum${r} = sum${r} * fade${r} + weight${r}_0 + weight${r}_1; ${quads.map((q) => `out${r}_${q} *= fade${r};`).join(" ")}`)}
    ${parts.storeWeights("weight")}
    workgroupBarrier();
    ${parts.accumulate({ sum: "out", of: "value", base: "keyBase", limit: "u.keys" })}
  }
  workgroupBarrier();
  weights[weightAt(left, down)] = ${vector((r) => `sum${r}`)};
  workgroupBarrier();
  var total = ${vector(() => "0.0")};
  for (var i = 0u; i < 16u; i++) { total += weights[weightAt(i, down)]; }
  ${perQuery(
    (r) => `if (ownRow + ${r}u < u.queries) {
      ${quads.map((q) => parts.write({ target: "result", base: "queryBase", row: `ownRow + ${r}u`, quad: q, value: `out${r}_${q} / ${at("total", r)}` })).join("\n      ")}
      if (left == 0u) { logSum[queryRow + (ownRow + ${r}u) * u.heads] = most${r} + log(${at("total", r)}); }
    }`,
  )}
}`,
  };
}

/** Gradient of the query [B, S, N, H]; `delta` [B, S, N] is the sum of dy output. */
export function queryGradientProgram(code: AttentionCode): Program {
  const parts = attentionParts(code);
  const { rows, quads, element } = parts;
  return {
    name: `attention-query-gradient/${keyOf(code)}`,
    reads: { query: element, key: element, value: element, dy: element, logSum: "f32", delta: "f32", ...treeOf(code) },
    writes: { result: element },
    uniforms: UNIFORMS,
    code: () => `${parts.declarations(2, ["query", "dy"], ["key", "value"], ["key"])}
${mainHead(parts)}
  loadOwn_query(0u, first, thread, queryBase, u.queries, u.scale);
  loadOwn_dy(1u, first, thread, queryBase, u.queries, 1.0);
  ${rows.map((r) => `let row${r} = queryRow + min(ownRow + ${r}u, u.queries - 1u) * u.heads; let log${r} = logSum[row${r}]; let delta${r} = delta[row${r}]; ${quads.map((q) => `var out${r}_${q} = vec4<f32>();`).join(" ")}`).join("\n  ")}
  ${overKeys(code)} {
    ${skipUnseen(code)}
    ${bothScores(["key", "value"], "keyBase", "u.keys", parts)}
    ${parts.visible("query")}
    ${parts.each((r, c) => `let change${r}_${c} = select(0.0, exp(score${r}_${c} - log${r}) * (slope${r}_${c} - delta${r}), sees${r}_${c});`)}
    ${parts.storeWeights("change")}
    workgroupBarrier();
    ${parts.accumulate({ sum: "out", of: "key", base: "keyBase", limit: "u.keys" })}
  }
  ${rows.map((r) => `if (ownRow + ${r}u < u.queries) { ${quads.map((q) => parts.write({ target: "result", base: "queryBase", row: `ownRow + ${r}u`, quad: q, value: `out${r}_${q} * u.scale` })).join(" ")} }`).join("\n  ")}
}`,
  };
}

/** Gradients of keys and values for every query head by itself, [B, L, N, H] each. */
export function keyGradientProgram(code: AttentionCode): Program {
  const parts = attentionParts(code);
  const { rows, quads, element } = parts;
  return {
    name: `attention-key-gradient/${keyOf(code)}`,
    reads: { query: element, key: element, value: element, dy: element, logSum: "f32", delta: "f32", ...treeOf(code) },
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
    ${parts.each((r, c) => `let weight${r}_${c} = select(0.0, exp(score${r}_${c} - logSum[other${c}]), sees${r}_${c}); let change${r}_${c} = weight${r}_${c} * (slope${r}_${c} - delta[other${c}]);`)}
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
      const write = (target: string, value: string, quad: number): string => parts.write({ target, base: "resultBase", row: `ownRow + ${r}u`, quad, value });
      return `if (ownRow + ${r}u < u.keys) { ${quads.map((q) => `${write("dKey", `dKey${r}_${q} * u.scale`, q)} ${write("dValue", `dValue${r}_${q}`, q)}`).join(" ")} }`;
    })
    .join("\n  ")}
}`,
  };
}

function mainHead({ places }: AttentionParts): string {
  return `@compute @workgroup_size(256)
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

function overKeys(code: AttentionCode): string {
  const end = code.hasTree ? `min(u.keys, first + ${ownRows(code)}u)` : "u.keys";
  return `for (var tileStart = 0u; tileStart < ${end}; tileStart += ${OTHER}u)`;
}

/** Tiles of keys that no query from `first` on sees. */
function skipUnseen({ hasTree }: AttentionCode): string {
  return hasTree ? `if (chunkSeenUntil[group.z * u.chunks + tileStart / ${OTHER}u] <= i32(first)) { continue; }` : "";
}

/** A key is seen from itself up to its last descendant. */
function overQueries(code: AttentionCode): string {
  if (!code.hasTree) return `for (var tileStart = 0u; tileStart < u.queries; tileStart += ${OTHER}u)`;
  const lastChunk = `min(u.chunks, (first + ${ownRows(code) + OTHER - 1}u) / ${OTHER}u)`;
  return `var seen = 0u;
  for (var i = first / ${OTHER}u; i < ${lastChunk}; i++) { seen = max(seen, u32(chunkSeenUntil[group.z * u.chunks + i])); }
  for (var tileStart = (first / ${OTHER}u) * ${OTHER}u; tileStart < min(u.queries, seen); tileStart += ${OTHER}u)`;
}

function treeOf({ hasTree }: AttentionCode): Partial<typeof TREE> {
  return hasTree ? TREE : {};
}

function keyOf({ headDim, perThread, hasTree }: AttentionCode): string {
  return `${headDim}/${perThread}/${hasTree ? "tree" : "all"}`;
}

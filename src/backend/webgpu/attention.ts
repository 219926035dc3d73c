/** @file Our attention kernels. Shapes as in attention-program.ts. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { invariant, UserError } from "../../core/errors.ts";
import { type AttentionCode, type AttentionTile, CHUNK, ownRows } from "./attention-parts.ts";
import { attentionBytes, attentionProgram, keyGradientProgram, queryGradientProgram } from "./attention-program.ts";
import { dispatch, freshTensor, type Program, workgroupsFor } from "./dispatch.ts";
import { dispatchElements, type ElementKernel } from "./elementwise.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { lanesOf, sizeOf } from "./parts.ts";

export const attention: WebGpuKernel = ({ backend, inputs }) => {
  const { query, key, value } = tensors(inputs, ["query", "key", "value"]);
  const [batch = 0, queries = 0, heads = 0] = query.shape;
  const code = codeFor(backend, inputs, 1);
  const [result, logSum] = [freshTensor(backend, query.shape), freshTensor(backend, [batch, queries, heads])];
  dispatch(backend, attentionProgram(code), {
    buffers: { query, key, value, result, logSum, ...treeOf(inputs) },
    uniforms: uniformsOf(inputs),
    workgroups: [Math.ceil(queries / ownRows(code.tile)), heads, batch],
  });
  return [result, logSum];
};

export const attentionGrad: WebGpuKernel = ({ backend, inputs }) => {
  const { query, key, value, dy, output, logSum } = tensors(inputs, ["query", "key", "value", "dy", "output", "logSum"]);
  const [batch = 0, queries = 0, heads = 0, headDim = 0] = query.shape;
  const keys = key.shape[1] ?? 0;
  const code = codeFor(backend, inputs, 2);
  const sums = querySums(backend, { dy, output, logSum });
  const dQuery = freshTensor(backend, query.shape);
  const shares = [batch, keys, heads, headDim];
  const [dKey, dValue] = [freshTensor(backend, shares), freshTensor(backend, shares)];
  const given = { query, key, value, dy, sums, ...treeOf(inputs) };
  const uniforms = uniformsOf(inputs);
  dispatch(backend, queryGradientProgram(code), { buffers: { ...given, result: dQuery }, uniforms, workgroups: [Math.ceil(queries / ownRows(code.tile)), heads, batch] });
  dispatch(backend, keyGradientProgram(code), { buffers: { ...given, dKey, dValue }, uniforms, workgroups: [Math.ceil(keys / ownRows(code.tile)), heads, batch] });
  backend.disposeData(sums.dataId);
  return [dQuery, sumOfGroups(backend, dKey, key), sumOfGroups(backend, dValue, value)];
};

function tensors<const N extends string>(inputs: Readonly<Record<string, TensorInfo>>, names: readonly N[]): Record<N, TensorInfo> {
  for (const name of names) invariant(inputs[name] !== undefined, () => `attention without ${name}`);
  return inputs as Record<N, TensorInfo>;
}

function treeOf({ seenUntil }: Readonly<Record<string, TensorInfo>>): Record<string, TensorInfo> {
  return seenUntil === undefined ? {} : { seenUntil };
}

function uniformsOf(inputs: Readonly<Record<string, TensorInfo>>): Record<string, number> {
  const { query, key } = tensors(inputs, ["query", "key"]);
  const [, queries = 0, heads = 0, headDim = 0] = query.shape;
  const [, keys = 0, keyHeads = 0] = key.shape;
  return { heads, keyHeads, queries, keys, chunks: Math.ceil(keys / CHUNK), scale: 1 / Math.sqrt(headDim) };
}

const SMALLEST: AttentionTile = { ownPerThread: 1, otherPerThread: 2 };
/** From the most arithmetic per number that is read to the least memory. */
const TILES: readonly AttentionTile[] = [
  { ownPerThread: 8, otherPerThread: 4 },
  { ownPerThread: 4, otherPerThread: 4 },
  { ownPerThread: 4, otherPerThread: 2 },
  { ownPerThread: 2, otherPerThread: 2 },
  SMALLEST,
];

/** The largest tile that the device's workgroup memory holds, and its registers: of two own tiles 64 rows are too many. */
function codeFor({ device }: WebGPUBackend, inputs: Readonly<Record<string, TensorInfo>>, tiles: 1 | 2): AttentionCode {
  const { query, seenUntil } = inputs;
  const headDim = query?.shape[3] ?? 0;
  const tile = TILES.find((candidate) => candidate.ownPerThread * tiles <= 8 && attentionBytes({ headDim, tile: candidate }, tiles) <= device.limits.maxComputeWorkgroupStorageSize);
  if (tile === undefined) {
    const needed = attentionBytes({ headDim, tile: SMALLEST }, tiles);
    throw new UserError({ kind: "ConfigError", where: "backend webgpu", what: `attention heads of ${headDim} numbers do not fit this GPU's workgroup memory. Got ${device.limits.maxComputeWorkgroupStorageSize} bytes, expected at least ${needed}`, hint: "Use --backend onnxruntime, or a GPU with more." });
  }
  return { headDim, tile, hasTree: seenUntil !== undefined };
}

/** The shares of the query heads that read one key head, [B, L, N, H], added up: [B, L, K, H], as `key` is. Uses the shares up. */
function sumOfGroups(backend: WebGPUBackend, shares: TensorInfo, key: TensorInfo): TensorInfo {
  const [, , heads = 0, headDim = 0] = shares.shape;
  const group = heads / (key.shape[2] ?? 1);
  if (group === 1) return shares;
  const sums = freshTensor(backend, key.shape);
  dispatchElements(backend, GROUP_SUMS, { lanes: lanesOf(headDim), parts: sizeOf(key) / lanesOf(headDim), buffers: { shares, sums }, uniforms: { group, width: headDim / lanesOf(headDim) } });
  backend.disposeData(shares.dataId);
  return sums;
}

const GROUP_SUMS: ElementKernel<"group" | "width"> = {
  name: "group-sums",
  reads: { shares: "part" },
  writes: { sums: "part" },
  uniforms: { group: "u32", width: "u32" },
  body: () => `
  let first = (i / u.width) * u.group * u.width + i % u.width;
  var sum = shares[first];
  for (var j = 1u; j < u.group; j++) { sum += shares[first + j * u.width]; }
  sums[i] = sum;`,
};

/** Of every query `logSum` and the sum of dy output, side by side [B, S, N, 2]: one buffer, for devices bind as few as eight. */
function querySums(backend: WebGPUBackend, { dy, output, logSum }: Readonly<Record<"dy" | "output" | "logSum", TensorInfo>>): TensorInfo {
  const sums = freshTensor(backend, [...logSum.shape, 2]);
  const rows = sizeOf(logSum);
  dispatch(backend, QUERY_SUMS, { buffers: { dy, output, logSum, sums }, uniforms: { rows, columns: dy.shape.at(-1) ?? 0 }, workgroups: workgroupsFor(Math.ceil(rows / 64)) });
  return sums;
}

const QUERY_SUMS: Program = {
  name: "query-sums",
  reads: { dy: "f32", output: "f32", logSum: "f32" },
  writes: { sums: "vec2<f32>" },
  uniforms: { rows: "u32", columns: "u32" },
  code: () => `
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>) {
  let row = flatIndex(id, count) * 64u + thread;
  if (row >= u.rows) { return; }
  var sum = 0.0;
  for (var i = row * u.columns; i < (row + 1u) * u.columns; i++) { sum = fma(dy[i], output[i], sum); }
  sums[row] = vec2<f32>(logSum[row], sum);
}`,
};

/**
 * @file Sums down the columns of a matrix [R, D], of a term that may be computed on the way: [D]. A workgroup has a few
 * columns, neighbours in memory, whose rows its threads share out and add up by halves.
 */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, freshTensor, type Program, programNamed, workgroupsFor } from "./dispatch.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { addByHalves, inLanes, type Lanes, lanesOf, type PartElement, partCode, sizeOf, tensorOf } from "./parts.ts";

/** [..., D] as [D]. */
export const columnSums: WebGpuKernel = (call) => [sumsOf(call.backend, COLUMN_SUMS, { x: tensorOf(call, "x") })];

export const rmsNormWeightGrad: WebGpuKernel = (call) => [sumsOf(call.backend, RMS_NORM_WEIGHT_GRAD, { x: tensorOf(call, "x"), dy: tensorOf(call, "dy"), inverse: tensorOf(call, "inverse") })];

export const layerNormWeightGrad: WebGpuKernel = (call) => [sumsOf(call.backend, LAYER_NORM_WEIGHT_GRAD, { x: tensorOf(call, "x"), dy: tensorOf(call, "dy"), mean: tensorOf(call, "mean"), inverse: tensorOf(call, "inverse") })];

interface ColumnKernel {
  readonly name: string;
  /** `x` has the rows and columns. */
  readonly reads: Readonly<Record<string, PartElement>>;
  /** What a `row` adds to the part of columns whose place in a matrix is `at`. */
  readonly term: string;
}

const COLUMN_SUMS: ColumnKernel = { name: "columnSums", reads: { x: "part" }, term: "x[at]" };

const RMS_NORM_WEIGHT_GRAD: ColumnKernel = { name: "rmsNormWeightGrad", reads: { x: "part", dy: "part", inverse: "f32" }, term: "dy[at] * (x[at] * inverse[row])" };

const LAYER_NORM_WEIGHT_GRAD: ColumnKernel = {
  name: "layerNormWeightGrad",
  reads: { x: "part", dy: "part", mean: "f32", inverse: "f32" },
  term: "dy[at] * ((x[at] - mean[row]) * inverse[row])",
};

/** Parts of columns that a workgroup sums: as many numbers as memory is read in one go. */
const PARTS = 8;
const SLICES = 32;

function sumsOf(backend: WebGPUBackend, kernel: ColumnKernel, buffers: Readonly<Record<string, TensorInfo>> & { readonly x: TensorInfo }): TensorInfo {
  const { x } = buffers;
  const columns = x.shape.at(-1) ?? 1;
  const lanes = lanesOf(columns);
  const width = columns / lanes;
  const sums = freshTensor(backend, [columns]);
  dispatch(backend, programNamed(`${kernel.name}/${lanes}`, (name) => columnProgram(name, kernel, lanes)), { buffers: { ...buffers, sums }, uniforms: { rows: sizeOf(x) / columns, width }, workgroups: workgroupsFor(Math.ceil(width / PARTS)) });
  return sums;
}

function columnProgram(name: string, { reads, term }: ColumnKernel, lanes: Lanes): Program {
  return {
    name,
    reads: inLanes(reads, lanes),
    writes: inLanes({ sums: "part" }, lanes),
    uniforms: { rows: "u32", width: "u32" },
    code: () => `${partCode(lanes)}
var<workgroup> found: array<Part, ${PARTS * SLICES}>;
@compute @workgroup_size(${PARTS * SLICES})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>) {
  let column = flatIndex(group, count) * ${PARTS}u + thread % ${PARTS}u;
  var sum = Part();
  if (column < u.width) {
    for (var row = thread / ${PARTS}u; row < u.rows; row += ${SLICES}u) { let at = row * u.width + column; sum += ${term}; }
  }
  found[thread] = sum;
  ${addByHalves(PARTS * SLICES, PARTS)}
  if (thread < ${PARTS}u && column < u.width) { sums[column] = found[thread]; }
}`,
  };
}

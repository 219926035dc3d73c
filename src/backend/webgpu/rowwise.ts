/** @file Kernels with a workgroup for every row, whose threads share what they found in the row's parts. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, type Program, programNamed, workgroupsFor } from "./dispatch.ts";
import { inLanes, type Lanes, lanesOf, type PartElement, partCode, sizeOf } from "./parts.ts";

export interface RowKernel<U extends string = string> {
  readonly name: string;
  readonly reads: Readonly<Record<string, PartElement>>;
  readonly writes: Readonly<Record<string, PartElement>>;
  readonly uniforms: Readonly<Record<U, "f32">>;
  /** What a thread finds and what two findings `a` and `b` make together. */
  readonly finding: { readonly type: "f32" | "vec2<f32>"; readonly merged: string };
  /**
   * What `thread` does in `row`, whose parts begin at `start`, are `u.width` and hold `size` numbers. `together(thread, finding)`
   * is called by all threads alike.
   */
  readonly body: (lanes: Lanes) => string;
}

export interface Rows<U extends string = string> {
  /** The tensor whose last axis is a row. */
  readonly like: TensorInfo;
  readonly buffers: Readonly<Record<string, TensorInfo>>;
  readonly uniforms: Readonly<Record<U, number>>;
}

export function dispatchRows<U extends string>(backend: WebGPUBackend, kernel: RowKernel<U>, { like, buffers, uniforms }: Rows<U>): void {
  const width = like.shape.at(-1) ?? 1;
  const lanes = lanesOf(width);
  const parts = width / lanes;
  const rows = sizeOf(like) / width;
  const threads = threadsFor(parts, backend.device.limits.maxComputeInvocationsPerWorkgroup);
  const program = programNamed(`${kernel.name}/${lanes}x${threads}`, (name) => rowProgram(name, kernel, { lanes, threads }));
  dispatch(backend, program, { buffers, uniforms: { rows, width: parts, ...uniforms }, workgroups: workgroupsFor(rows) });
}

/** A power of two that leaves a thread about four parts: fewer wait for one another longer than they compute. */
function threadsFor(parts: number, most: number): number {
  return Math.max(32, Math.min(2 ** Math.floor(Math.log2(Math.min(most, 1024))), 2 ** Math.ceil(Math.log2(parts / 4))));
}

function rowProgram(name: string, { reads, writes, uniforms, finding, body }: RowKernel, { lanes, threads }: { readonly lanes: Lanes; readonly threads: number }): Program {
  return {
    name,
    reads: inLanes(reads, lanes),
    writes: inLanes(writes, lanes),
    uniforms: { rows: "u32", width: "u32", ...uniforms },
    code: () => `${partCode(lanes)}
const THREADS = ${threads}u;
alias Finding = ${finding.type};
var<workgroup> findings: array<Finding, THREADS>;
fn merge(a: Finding, b: Finding) -> Finding { ${finding.merged} }
fn together(thread: u32, own: Finding) -> Finding {
  findings[thread] = own;
  workgroupBarrier();
  for (var others = THREADS / 2u; others > 0u; others >>= 1u) {
    if (thread < others) { findings[thread] = merge(findings[thread], findings[thread + others]); }
    workgroupBarrier();
  }
  let all = findings[0];
  workgroupBarrier();
  return all;
}
@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>) {
  let row = flatIndex(group, count);
  if (row >= u.rows) { return; }
  let start = row * u.width;
  let size = f32(u.width * LANES);
  ${body(lanes)}
}`,
  };
}

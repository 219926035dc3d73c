/** @file Kernels whose threads each compute one part of their results. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, type Program, programNamed, workgroupsFor } from "./dispatch.ts";
import { inLanes, type Lanes, type PartElement, partCode } from "./parts.ts";

export interface ElementKernel<U extends string = string> {
  readonly name: string;
  readonly reads: Readonly<Record<string, PartElement>>;
  readonly writes: Readonly<Record<string, PartElement>>;
  readonly uniforms: Readonly<Record<U, "u32" | "f32">>;
  /** What thread `i` of `u.parts` does. */
  readonly body: (lanes: Lanes) => string;
  /** Functions that the body calls. */
  readonly functions?: string;
}

export interface Elements<U extends string = string> {
  readonly lanes: Lanes;
  /** Threads that have something to do. */
  readonly parts: number;
  readonly buffers: Readonly<Record<string, TensorInfo>>;
  readonly uniforms: Readonly<Record<U, number>>;
}

const THREADS = 256;

export function dispatchElements<U extends string>(backend: WebGPUBackend, kernel: ElementKernel<U>, { lanes, parts, buffers, uniforms }: Elements<U>): void {
  dispatch(backend, programNamed(`${kernel.name}/${lanes}`, (name) => elementProgram(name, kernel, lanes)), { buffers, uniforms: { parts, ...uniforms }, workgroups: workgroupsFor(Math.ceil(parts / THREADS)) });
}

function elementProgram(name: string, { reads, writes, uniforms, body, functions = "" }: ElementKernel, lanes: Lanes): Program {
  return {
    name,
    reads: inLanes(reads, lanes),
    writes: inLanes(writes, lanes),
    uniforms: { parts: "u32", ...uniforms },
    code: () => `${partCode(lanes)}
${functions}
@compute @workgroup_size(${THREADS})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>) {
  let i = flatIndex(group, count) * ${THREADS}u + thread;
  if (i >= u.parts) { return; }
  ${body(lanes)}
}`,
  };
}

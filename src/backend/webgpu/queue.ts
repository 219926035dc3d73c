/**
 * @file The command queue of tfjs's backend, for our programs and for tfjs's own. Steps repeat themselves: what a dispatch
 * needs beside the tensors' numbers (its pipeline, the group of its buffers, the block of its uniforms) is made once and
 * found again, for making it costs the host more than the dispatch.
 */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { DataId, TensorInfo } from "@tensorflow/tfjs-core";
import { invariant } from "../../core/errors.ts";
import { bufferNumber } from "./buffers.ts";

export interface Pipeline {
  /** As profiles call it. */
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** By the numbers of the buffers: in a step that repeats, the same meet again. */
  readonly groups: Map<string, GPUBindGroup>;
}

export interface Bindings {
  /** In the order of the bindings; the uniforms are the last. */
  readonly tensors: readonly TensorInfo[];
  readonly uniforms: GPUBuffer | undefined;
  readonly workgroups: readonly [x: number, y?: number, z?: number];
}

/** Numbers of a uniform block that lie side by side. */
export interface UniformNumbers {
  readonly type: "u32" | "i32" | "f32";
  readonly data: readonly number[];
}

/** The pipeline of this key, made at the first call. */
export function pipelineFor(backend: WebGPUBackend, { key, name }: { readonly key: string; readonly name: string }, make: () => GPUComputePipeline): Pipeline {
  const { pipelines } = cacheOf(backend);
  const known = pipelines.get(key);
  if (known !== undefined) return known;
  const pipeline = make();
  const made = { name, pipeline, layout: pipeline.getBindGroupLayout(0), groups: new Map<string, GPUBindGroup>() };
  pipelines.set(key, made);
  return made;
}

/** Runs of one pipeline often follow one another. */
let lastSet: { readonly pass: GPUComputePassEncoder; readonly pipeline: Pipeline } | undefined;

/** Queues one run of it. */
export function queuePipeline(backend: WebGPUBackend, pipeline: Pipeline, { tensors, uniforms, workgroups }: Bindings): void {
  const queue = queueOf(backend);
  const buffers = tensors.map((info) => {
    queue.commandQueueOwnedIds.add(info.dataId);
    return bufferOf(backend, info);
  });
  const group = bindGroupOf(backend, pipeline, uniforms === undefined ? buffers : [...buffers, uniforms]);
  record(backend, pipeline.name, (pass) => {
    if (lastSet?.pass !== pass || lastSet.pipeline !== pipeline) {
      pass.setPipeline(pipeline.pipeline);
      lastSet = { pass, pipeline };
    }
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(...workgroups);
  });
}

/** The members of tfjs's backend that its own programs record with; private in its types. */
interface Queue {
  readonly commandEncoder: GPUCommandEncoder | null;
  computePassEncoder: GPUComputePassEncoder | null;
  readonly commandQueueOwnedIds: WeakSet<DataId>;
  dispatchCountInPass: number;
  readonly activeTimers: { name: string; query: Promise<number> }[] | null | undefined;
  querySet: GPUQuerySet | null;
  readonly querySetCount: number;
  readonly supportTimestampQuery: boolean;
}

function queueOf(backend: WebGPUBackend): Queue {
  return backend as unknown as Queue;
}

/** Dispatches that are submitted together. The device idles until the first are, each submit costs the host, and what they freed is in use until then. */
const BATCH = 16;

function record(backend: WebGPUBackend, name: string, encode: (pass: GPUComputePassEncoder) => void): void {
  const queue = queueOf(backend);
  backend.ensureCommandEncoderReady();
  if (queue.activeTimers !== null && queue.activeTimers !== undefined && queue.supportTimestampQuery) {
    recordTimed(backend, name, encode);
    return;
  }
  queue.computePassEncoder ??= queue.commandEncoder!.beginComputePass();
  encode(queue.computePassEncoder);
  queue.dispatchCountInPass += 1;
  if (queue.dispatchCountInPass < BATCH) return;
  backend.endComputePassEncoder();
  backend.submitQueue();
}

/** Inside tf.time: a pass of its own between two timestamps. */
function recordTimed(backend: WebGPUBackend, name: string, encode: (pass: GPUComputePassEncoder) => void): void {
  const queue = queueOf(backend);
  backend.endComputePassEncoder();
  queue.querySet ??= backend.device.createQuerySet({ type: "timestamp", count: queue.querySetCount });
  const pass = queue.commandEncoder!.beginComputePass({ timestampWrites: { querySet: queue.querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } });
  encode(pass);
  pass.end();
  queue.activeTimers!.push({ name, query: backend.getQueryTime() });
}

function bufferOf(backend: WebGPUBackend, { dataId, dtype, shape }: TensorInfo): GPUBuffer {
  backend.uploadToGPU(dataId);
  const { resource } = backend.tensorMap.get(dataId);
  invariant(resource instanceof GPUBuffer, () => `a ${dtype} tensor [${shape.join()}] has no buffer`);
  return resource;
}

interface DeviceCache {
  readonly pipelines: Map<string, Pipeline>;
  readonly uniforms: Map<string, GPUBuffer>;
}

const caches = new WeakMap<GPUDevice, DeviceCache>();

function cacheOf({ device }: WebGPUBackend): DeviceCache {
  const cache = caches.get(device) ?? { pipelines: new Map(), uniforms: new Map() };
  caches.set(device, cache);
  return cache;
}

/** Groups of a pipeline beyond this many are forgotten. */
const MAX_GROUPS = 4096;

function bindGroupOf({ device }: WebGPUBackend, { layout, groups }: Pipeline, buffers: readonly GPUBuffer[]): GPUBindGroup {
  let key = "";
  for (const buffer of buffers) key += `${bufferNumber(buffer)} `;
  const known = groups.get(key);
  if (known !== undefined) return known;
  const group = device.createBindGroup({ layout, entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })) });
  if (groups.size >= MAX_GROUPS) groups.clear();
  groups.set(key, group);
  return group;
}

/** To be called when buffers were freed: groups hold on to them. */
export function forgetBindGroups(device: GPUDevice): void {
  for (const { groups } of caches.get(device)?.pipelines.values() ?? []) groups.clear();
}

/** Contents beyond this many are forgotten: batches of ever new sizes would pile them up. */
const MAX_UNIFORMS = 8192;

/** A buffer with this content, laid out as WGSL lays out a struct of numbers, vectors and, from five numbers on, arrays of vectors. */
export function uniformsFor(backend: WebGPUBackend, members: readonly UniformNumbers[]): GPUBuffer {
  const { uniforms } = cacheOf(backend);
  let key = "";
  for (const { type, data } of members) key += `${type}${data.join()}`;
  const known = uniforms.get(key);
  if (known !== undefined) return known;
  const content = uniformContent(members);
  const buffer = backend.device.createBuffer({ size: content.byteLength, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
  backend.device.queue.writeBuffer(buffer, 0, content);
  if (uniforms.size >= MAX_UNIFORMS) uniforms.clear();
  uniforms.set(key, buffer);
  return buffer;
}

/** Exported for its test. */
export function uniformContent(members: readonly UniformNumbers[]): ArrayBuffer {
  let end = 0;
  const places = members.map(({ data: { length } }) => {
    const start = alignedTo(ALIGNMENT[length] ?? 16, end);
    // Behind an array of vectors the next member begins with a vector.
    end = start + (length > 4 ? alignedTo(16, 4 * length) : 4 * length);
    return start;
  });
  const content = new DataView(new ArrayBuffer(alignedTo(16, end)));
  for (const [i, { type, data }] of members.entries()) {
    for (const [j, value] of data.entries()) {
      const at = places[i]! + 4 * j;
      if (type === "f32") content.setFloat32(at, value, true);
      else if (type === "i32") content.setInt32(at, value, true);
      else content.setUint32(at, value, true);
    }
  }
  return content.buffer;
}

/** Bytes, of one number and of vectors of two to four. */
const ALIGNMENT: readonly number[] = [4, 4, 8, 16, 16];

function alignedTo(alignment: number, size: number): number {
  return Math.ceil(size / alignment) * alignment;
}

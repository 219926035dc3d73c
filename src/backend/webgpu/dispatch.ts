/**
 * @file Compute shaders of our own beside tfjs's, in the same command queue. tfjs's programs write one result and bring
 * six uniforms a tensor; ours name every buffer they read or write, and a uniform block that is made once per content.
 */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { DataId, TensorInfo } from "@tensorflow/tfjs-core";
import { invariant } from "../../core/errors.ts";
import { bufferNumber } from "./buffers.ts";

/** What a buffer holds, as WGSL writes it. */
type Element = "f32" | "i32" | "u32" | "vec4<f32>" | "vec4<u32>" | "vec2<u32>" | "vec2<f32>";

export interface Program {
  /** Stands for `code` and the declarations: programs of equal names are equal. */
  readonly name: string;
  /** Buffers that are read only, by their name in the code; all are used there. */
  readonly reads: Readonly<Record<string, Element>>;
  /** Buffers that are written, and may be read. */
  readonly writes: Readonly<Record<string, Element>>;
  /** Members of `u`. */
  readonly uniforms: Readonly<Record<string, "u32" | "f32">>;
  /** WGSL extensions. */
  readonly enables?: readonly string[];
  /** Functions, workgroup variables and `main`. `flatIndex(workgroup_id, num_workgroups)` counts the workgroups of `workgroupsFor`. */
  readonly code: () => string;
}

export interface Dispatch {
  /** Tensors of `reads` and `writes` by name. */
  readonly buffers: Readonly<Record<string, TensorInfo>>;
  readonly uniforms: Readonly<Record<string, number>>;
  readonly workgroups: readonly [x: number, y?: number, z?: number];
}

/** Workgroups that a dimension of a dispatch may have. */
const MAX_WORKGROUPS = 65_535;

/** A grid of at least `count` workgroups; the surplus must do nothing. */
export function workgroupsFor(count: number): [number, number] {
  return count <= MAX_WORKGROUPS ? [count, 1] : [MAX_WORKGROUPS, Math.ceil(count / MAX_WORKGROUPS)];
}

/** A tensor whose numbers a program is about to write. */
export function freshTensor(backend: WebGPUBackend, shape: readonly number[]): TensorInfo {
  return backend.makeTensorInfo([...shape], "float32", shape.includes(0) ? new Float32Array(0) : undefined);
}

/** Queues the program. */
export function dispatch(backend: WebGPUBackend, program: Program, { buffers, uniforms, workgroups }: Dispatch): void {
  const prepared = prepare(backend, program, uniforms, workgroups);
  const tensors = prepared.compiled.names.map((name) => {
    const info = buffers[name];
    invariant(info !== undefined, () => `${program.name} has no tensor for "${name}"`);
    return info;
  });
  queueProgram(backend, prepared, tensors);
}

/** A program with its numbers, to be run on any tensors. */
export interface Prepared {
  readonly compiled: Compiled;
  readonly uniforms: GPUBuffer | undefined;
  readonly workgroups: Dispatch["workgroups"];
}

export function prepare(backend: WebGPUBackend, program: Program, uniforms: Dispatch["uniforms"], workgroups: Dispatch["workgroups"]): Prepared {
  return { compiled: compiledOf(backend, program), uniforms: Object.keys(program.uniforms).length === 0 ? undefined : uniformBuffer(backend, program, uniforms), workgroups };
}

/** Queues it on tensors in the order of the program's `reads` and `writes`. */
export function queueProgram(backend: WebGPUBackend, { compiled, uniforms, workgroups }: Prepared, tensors: readonly TensorInfo[]): void {
  // Tensors without numbers have nothing to bind.
  if (workgroups.includes(0)) return;
  const queue = queueOf(backend);
  const buffers = tensors.map((info) => {
    queue.commandQueueOwnedIds.add(info.dataId);
    return bufferOf(backend, info);
  });
  const group = bindGroupOf(backend, compiled, uniforms === undefined ? buffers : [...buffers, uniforms]);
  record(backend, compiled.name, (pass) => {
    pass.setPipeline(compiled.pipeline);
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

/** Dispatches that are submitted together. The device idles until the first are, and each submit costs the host. */
const BATCH = 24;

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

interface Compiled {
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** Of its buffers, in the order of their bindings. */
  readonly names: readonly string[];
  /** By the numbers of the buffers: in a step that repeats, the same meet again. */
  readonly groups: Map<string, GPUBindGroup>;
}

interface DeviceCache {
  readonly programs: Map<string, Compiled>;
  readonly uniforms: Map<string, GPUBuffer>;
}

const caches = new WeakMap<GPUDevice, DeviceCache>();

function cacheOf({ device }: WebGPUBackend): DeviceCache {
  const cache = caches.get(device) ?? { programs: new Map(), uniforms: new Map() };
  caches.set(device, cache);
  return cache;
}

function compiledOf(backend: WebGPUBackend, program: Program): Compiled {
  const { programs } = cacheOf(backend);
  const known = programs.get(program.name);
  if (known !== undefined) return known;
  const { device } = backend;
  const module = device.createShaderModule({ code: moduleCode(program), label: program.name });
  const pipeline = device.createComputePipeline({ label: program.name, layout: "auto", compute: { module, entryPoint: "main" } });
  const compiled = { name: program.name, pipeline, layout: pipeline.getBindGroupLayout(0), names: [...Object.keys(program.reads), ...Object.keys(program.writes)], groups: new Map<string, GPUBindGroup>() };
  programs.set(program.name, compiled);
  return compiled;
}

/** Groups of a program beyond this many are forgotten. */
const MAX_GROUPS = 4096;

function bindGroupOf({ device }: WebGPUBackend, { layout, groups }: Compiled, buffers: readonly GPUBuffer[]): GPUBindGroup {
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
  for (const { groups } of caches.get(device)?.programs.values() ?? []) groups.clear();
}

/** The whole shader. */
export function moduleCode({ reads, writes, uniforms, enables = [], code }: Program): string {
  const buffers = [...Object.entries(reads).map(([name, element]) => `var<storage, read> ${name}: array<${element}>;`), ...Object.entries(writes).map(([name, element]) => `var<storage, read_write> ${name}: array<${element}>;`)];
  const members = Object.entries(uniforms).map(([name, type]) => `${name}: ${type}`);
  return [
    ...enables.map((name) => `enable ${name};`),
    ...buffers.map((declaration, binding) => `@group(0) @binding(${binding}) ${declaration}`),
    ...(members.length === 0 ? [] : [`struct Uniforms { ${members.join(", ")} }`, `@group(0) @binding(${buffers.length}) var<uniform> u: Uniforms;`]),
    "fn flatIndex(id: vec3<u32>, count: vec3<u32>) -> u32 { return id.x + id.y * count.x; }",
    code(),
  ].join("\n");
}

/** Contents beyond this many are forgotten: batches of ever new sizes would pile them up. */
const MAX_UNIFORMS = 8192;

/** Steps repeat their sizes, so the blocks of the first step serve all. */
function uniformBuffer(backend: WebGPUBackend, { name, uniforms: types }: Program, values: Readonly<Record<string, number>>): GPUBuffer {
  const { uniforms } = cacheOf(backend);
  const members = Object.entries(types);
  const numbers = members.map(([member]) => {
    const value = values[member];
    invariant(value !== undefined, () => `${name} has no value for "${member}"`);
    return value;
  });
  const key = `${members.map(([, type]) => type).join()}:${numbers.join()}`;
  const known = uniforms.get(key);
  if (known !== undefined) return known;
  const data = new DataView(new ArrayBuffer(Math.ceil(numbers.length / 4) * 16));
  for (const [i, [, type]] of members.entries()) {
    if (type === "u32") data.setUint32(4 * i, numbers[i]!, true);
    else data.setFloat32(4 * i, numbers[i]!, true);
  }
  const buffer = backend.device.createBuffer({ size: data.byteLength, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
  backend.device.queue.writeBuffer(buffer, 0, data.buffer);
  if (uniforms.size >= MAX_UNIFORMS) uniforms.clear();
  uniforms.set(key, buffer);
  return buffer;
}

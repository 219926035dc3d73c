/**
 * @file Compute shaders of our own beside tfjs's, in the same command queue. tfjs's programs write one result and bring
 * six uniforms a tensor; ours name every buffer they read or write, and a uniform block that is made once per content.
 */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { invariant } from "../../core/errors.ts";
import { type Pipeline, pipelineFor, queuePipeline, uniformsFor } from "./queue.ts";

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

const programs = new Map<string, Program>();

/** The program of this name, put together once. */
export function programNamed(name: string, make: (name: string) => Program): Program {
  const known = programs.get(name);
  if (known !== undefined) return known;
  const made = make(name);
  programs.set(name, made);
  return made;
}

/** Queues the program. */
export function dispatch(backend: WebGPUBackend, program: Program, { buffers, uniforms, workgroups }: Dispatch): void {
  const prepared = prepare(backend, program, uniforms, workgroups);
  const tensors = namesOf(program).map((name) => {
    const info = buffers[name];
    invariant(info !== undefined, () => `${program.name} has no tensor for "${name}"`);
    return info;
  });
  queueProgram(backend, prepared, tensors);
}

/** A program with its numbers, to be run on any tensors. */
export interface Prepared {
  readonly pipeline: Pipeline;
  readonly uniforms: GPUBuffer | undefined;
  readonly workgroups: Dispatch["workgroups"];
}

export function prepare(backend: WebGPUBackend, program: Program, uniforms: Dispatch["uniforms"], workgroups: Dispatch["workgroups"]): Prepared {
  return { pipeline: compiled(backend, program), uniforms: uniformsOf(backend, program, uniforms), workgroups };
}

/** Queues it on tensors in the order of the program's `reads` and `writes`. */
export function queueProgram(backend: WebGPUBackend, { pipeline, uniforms, workgroups }: Prepared, tensors: readonly TensorInfo[]): void {
  // Tensors without numbers have nothing to bind.
  if (workgroups.includes(0)) return;
  queuePipeline(backend, pipeline, { tensors, uniforms, workgroups });
}

/** What every WebGPU device can bind for a shader; many can bind no more. */
const MOST_BUFFERS = 8;

function compiled(backend: WebGPUBackend, program: Program): Pipeline {
  return pipelineFor(backend, { key: program.name, name: program.name }, () => {
    const count = namesOf(program).length;
    invariant(count <= MOST_BUFFERS, () => `${program.name} binds ${count} buffers`);
    const { device } = backend;
    const module = device.createShaderModule({ code: moduleCode(program), label: program.name });
    return device.createComputePipeline({ label: program.name, layout: "auto", compute: { module, entryPoint: "main" } });
  });
}

/** In the order of their bindings. */
function namesOf({ reads, writes }: Program): string[] {
  return [...Object.keys(reads), ...Object.keys(writes)];
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

/** Members one behind the other: each is one number. */
function uniformsOf(backend: WebGPUBackend, { name, uniforms: types }: Program, values: Dispatch["uniforms"]): GPUBuffer | undefined {
  const members = Object.entries(types);
  if (members.length === 0) return undefined;
  return uniformsFor(
    backend,
    members.map(([member, type]) => {
      const value = values[member];
      invariant(value !== undefined, () => `${name} has no value for "${member}"`);
      return { type, data: [value] };
    }),
  );
}

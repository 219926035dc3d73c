/**
 * @file The tfjs backend `onnxruntime`. Tensors are plain Float32Arrays; kernels run as ONNX graphs over them.
 * It derives from tfjs's CPU backend, so that every kernel that has no graph of ours runs in JavaScript on the same memory.
 */
import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import { type backend_util, env, getKernelsForBackend, type NamedTensorInfoMap, registerBackend, registerKernel, type TensorInfo } from "@tensorflow/tfjs-core";
import { invariant } from "../../core/errors.ts";
import { createSession, type HostTensor, type Session, startEngine } from "./engine.ts";
import { HOST_KERNELS, OWN_HOST_KERNELS } from "./host-kernels.ts";
import { cutGraph, GraphBuilder, type Value } from "./graph.ts";
import { EMITTERS, type Emitter } from "./kernels.ts";
import { OWN_EMITTERS } from "./own-emitters.ts";
import { createPool } from "./pool.ts";
import type { OnnxGraph } from "./protobuf.ts";

const BACKEND_NAME = "onnxruntime";

/** Clips make batches of changing size: their buffers may wait for the next of that size, up to half of what a batch needs. */
const POOL_LIMITS = { spareShare: 0.5, leastBytes: 1 << 25 };

/** Kernels that only relabel memory: run alone they share the data, in a compiled block they are nodes. */
const VIEWS = new Set(["Cast", "Identity", "Reshape", "ExpandDims"]);

/** Constants above this many numbers are written as one number and a shape, if they are uniform. */
const LARGE_CONSTANT = 256;

type KernelFunc = Parameters<typeof registerKernel>[0]["kernelFunc"];
type KernelInput = Parameters<KernelFunc>[0];

export class OrtBackend extends MathBackendCPU {
  readonly #pool = createPool(POOL_LIMITS);
  readonly #pooled = new WeakSet<object>();
  readonly #symbols = new WeakMap<object, Value>();
  readonly #sessions = new Map<string, Session>();
  /** The graph that kernels write to while a block is being compiled. */
  #tracing: GraphBuilder | undefined;

  /** Runs `body` with kernels on symbolic tensors writing to `graph`. */
  trace<T>(graph: GraphBuilder, body: () => T): T {
    const outer = this.#tracing;
    this.#tracing = graph;
    try {
      return body();
    } finally {
      this.#tracing = outer;
    }
  }

  /** A tensor without numbers that stands for a graph value. */
  symbol(value: Value): TensorInfo {
    const dataId = {};
    this.data.set(dataId, { dtype: "float32", refCount: 1 });
    this.#symbols.set(dataId, value);
    return { dataId, shape: [...value.shape], dtype: "float32" };
  }

  /** The graph value that a tensor stands for; a tensor with numbers becomes a constant of the graph. */
  graphValue(graph: GraphBuilder, info: TensorInfo): Value {
    const known = this.#symbols.get(info.dataId);
    if (known !== undefined) return known;
    const numbers = this.floats(info);
    if (numbers.length <= LARGE_CONSTANT) return graph.constant(info.shape, numbers);
    const first = numbers[0]!;
    if (!numbers.every((number) => number === first)) return graph.constant(info.shape, numbers);
    return graph.op("Expand", [graph.scalar(first), graph.integers(info.shape)], { shape: info.shape });
  }

  /** The numbers of a tensor as an input of a session; not copied. */
  hostTensor(info: TensorInfo): HostTensor {
    return { type: "float32", dims: info.shape, data: this.floats(info) };
  }

  /** Runs a session; the outputs are new tensors in pooled memory. */
  run(session: Session, inputs: readonly HostTensor[], outputs: readonly Value[]): TensorInfo[] {
    const tensors = outputs.map(({ shape }) => this.pooledTensor(shape));
    session.run(inputs, tensors.map((tensor) => this.hostTensor(tensor)));
    return tensors;
  }

  /** Runs one kernel as a graph of its own; graphs of equal structure share a session whatever the sizes. */
  runKernel(emit: Emitter, inputs: NamedTensorInfoMap, attrs: KernelInput["attrs"]): TensorInfo | TensorInfo[] {
    const graph = new GraphBuilder();
    const given = Object.entries(inputs).flatMap(([name, info]) => (info === undefined ? [] : [{ name, info, value: graph.input(info.shape) }]));
    const emitted = emit({ graph, inputs: Object.fromEntries(given.map(({ name, value }) => [name, value])), attrs: attrs ?? {} });
    const outputs = [emitted].flat();
    const same = given.find(({ value }) => value === emitted);
    if (same !== undefined) return this.#share(same.info);
    const cut = cutGraph(graph, given.map(({ value }) => value), outputs, symbolicType);
    const isUsed = new Set(cut.inputs.map(({ name }) => name));
    const tensors = this.run(this.#sessionFor(cut), given.filter(({ value }) => isUsed.has(value.name)).map(({ info }) => this.hostTensor(info)), outputs);
    return Array.isArray(emitted) ? tensors : tensors[0]!;
  }

  /** What tfjs calls for every kernel. */
  dispatch(name: string, emit: Emitter | undefined, fallback: KernelFunc, call: KernelInput): TensorInfo | TensorInfo[] {
    const infos = Object.values(call.inputs).filter((info) => info !== undefined);
    const graph = this.#tracing;
    if (graph !== undefined && infos.some(({ dataId }) => this.#symbols.has(dataId))) {
      if (emit === undefined) throw new Error(`internal error: kernel ${name} has no graph and cannot be part of a compiled block`);
      const inputs = Object.fromEntries(Object.entries(call.inputs).flatMap(([key, info]) => (info === undefined ? [] : [[key, this.graphValue(graph, info)]])));
      const emitted = emit({ graph, inputs, attrs: call.attrs ?? {} });
      return Array.isArray(emitted) ? emitted.map((value) => this.symbol(value)) : this.symbol(emitted);
    }
    const moved = HOST_KERNELS[name]?.({ memory: this, inputs: call.inputs, attrs: call.attrs ?? {} });
    if (moved !== undefined) return moved;
    const isNative = emit !== undefined && !VIEWS.has(name) && infos.every(({ dtype, shape }) => dtype === "float32" && !shape.includes(0));
    return isNative ? this.runKernel(emit, call.inputs, call.attrs) : fallback(call);
  }

  override disposeData(dataId: object, force = false): boolean {
    const values = this.data.has(dataId) ? this.data.get(dataId).values : undefined;
    const isFreed = super.disposeData(dataId, force) && !this.data.has(dataId);
    if (isFreed && values instanceof Float32Array && this.#pooled.has(dataId)) this.#pool.give(values);
    return isFreed;
  }

  /** Whoever reads the numbers may keep them: their memory is not used again. */
  override readSync(dataId: object): backend_util.BackendValues {
    const values = super.readSync(dataId);
    if (this.#pooled.delete(dataId) && values instanceof Float32Array) this.#pool.forget(values);
    return values;
  }

  override memory(): { unreliable: boolean; reasons: string[]; pooledBytes: number; sessions: number } {
    return { unreliable: false, reasons: [], pooledBytes: this.#pool.idleBytes(), sessions: this.#sessions.size };
  }

  /** The numbers of a float32 tensor; borrowed. */
  floats(info: TensorInfo): Float32Array {
    const { values } = this.data.get(info.dataId);
    if (values instanceof Float32Array) return values;
    throw new Error(`internal error: expected a float32 tensor with numbers, got ${info.dtype} [${info.shape.join()}]`);
  }

  /** The numbers of an int32 tensor; borrowed. */
  integers(info: TensorInfo): Int32Array {
    const { values } = this.data.get(info.dataId);
    if (values instanceof Int32Array) return values;
    throw new Error(`internal error: expected an int32 tensor with numbers, got ${info.dtype} [${info.shape.join()}]`);
  }

  /** A tensor with arbitrary content in pooled memory. */
  pooledTensor(shape: readonly number[]): TensorInfo {
    const values = this.#pool.take(shape.reduce((size, length) => size * length, 1));
    const info = this.makeTensorInfo([...shape], "float32", values);
    this.#pooled.add(info.dataId);
    return info;
  }

  #share(info: TensorInfo): TensorInfo {
    this.incRef(info.dataId);
    return { dataId: info.dataId, shape: info.shape, dtype: info.dtype };
  }

  #sessionFor(graph: OnnxGraph): Session {
    const key = JSON.stringify(graph, (_, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value));
    const known = this.#sessions.get(key);
    if (known !== undefined) return known;
    const session = createSession(graph);
    this.#sessions.set(key, session);
    return session;
  }
}

/** Registers the backend and its kernels with tfjs; a second call does nothing. */
export function registerOrtBackend(): void {
  if (getKernelsForBackend(BACKEND_NAME).length > 0) return;
  startEngine();
  env().set("PROD", true);
  registerBackend(BACKEND_NAME, () => new OrtBackend(), 3);
  for (const { kernelName, kernelFunc } of getKernelsForBackend("cpu")) register(kernelName, EMITTERS[kernelName], kernelFunc);
  for (const [kernelName, emit] of [...Object.entries(OWN_EMITTERS), ...Object.keys(OWN_HOST_KERNELS).map((name) => [name, undefined] as const)]) {
    register(kernelName, emit, ({ inputs }) => {
      throw new Error(`${kernelName}: every input must be a float32 tensor that is not empty, got ${describeInputs(inputs)}`);
    });
  }
}

function register(kernelName: string, emit: Emitter | undefined, fallback: KernelFunc): void {
  registerKernel({
    kernelName,
    backendName: BACKEND_NAME,
    kernelFunc: (call) => {
      invariant(call.backend instanceof OrtBackend, () => `kernel ${kernelName} was called with another backend`);
      return call.backend.dispatch(kernelName, emit, fallback, call);
    },
  });
}

function describeInputs(inputs: NamedTensorInfoMap): string {
  return Object.entries(inputs).flatMap(([name, info]) => (info === undefined ? [] : [`${name} ${info.dtype} [${info.shape.join()}]`])).join(", ");
}

/** A value of known rank and any size. */
function symbolicType({ name, type, shape }: Value): { name: string; type: Value["type"]; shape: string[] } {
  return { name, type, shape: shape.map((_, axis) => `${name}_${axis}`) };
}

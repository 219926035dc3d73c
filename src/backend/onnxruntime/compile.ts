/**
 * @file Compiled blocks: a function of tfjs ops is run once on symbolic tensors, forward and through tfjs's own
 * gradients, and what its kernels would have done becomes two ONNX graphs, one for each direction.
 */
import { customGrad, engine, Tensor } from "@tensorflow/tfjs-core";
import { invariant } from "../../core/errors.ts";
import type { DropPlace } from "../dropout-mask.ts";
import type { PackedWeight } from "../packed-weight.ts";
import type { OrtBackend } from "./backend.ts";
import type { BlockCall, BlockParams } from "./block-call.ts";
import { createSession, type HostTensor, type Session } from "./engine.ts";
import { cutGraph, type GraphBuilder, type Value } from "./graph.ts";
import { formOf, type Source, Tracer } from "./tracer.ts";

/** The input through which gradients flow. */
const DIFFERENTIABLE = "x";

/** Whether a gradient will be asked for: a tape is on, and this is not the inside of an op with a gradient of its own. */
export function isTaped(): boolean {
  const { gradientDepth, kernelDepth } = engine().state;
  return gradientDepth > 0 && kernelDepth === 0;
}

interface Direction {
  readonly session: Session;
  readonly sources: readonly Source[];
  readonly outputs: readonly Value[];
}

interface Backward extends Direction {
  /** "x" or the names of the trained parameters, one per output. */
  readonly wanted: readonly string[];
  /** The forward pass of a training step: the result, then what is kept. */
  readonly forward: Direction;
}

interface CompiledBlock {
  /** The weights it reads, with their form, and the questions it asked; another layer may use it if its answers are the same. */
  readonly reads: ReadonlyMap<string, string>;
  readonly asks: ReadonlyMap<string, boolean>;
  /** What it was told when it asked whether numbers are dropped, by place; absent: it did not ask. */
  readonly drops: ReadonlyMap<DropPlace, boolean>;
  /** Made when the block first runs without keeping anything. */
  readonly forward: () => Direction;
  readonly outputShape: readonly number[];
  /** By what is kept and the names of the trained parameters; made when the block is first trained in this way. */
  readonly backward: Map<string, Backward>;
}

export class BlockCompiler {
  readonly #backend: OrtBackend;
  readonly #compiled = new Map<string, CompiledBlock[]>();

  constructor(backend: OrtBackend) {
    this.#backend = backend;
  }

  /** The block's outputs, computed by its compiled graph; differentiable when a tape is on. */
  run(call: BlockCall): Tensor[] {
    const block = this.#lookUp(call);
    if (!isTaped()) return this.#execute(block.forward(), call, [], undefined);
    const trained = [...block.reads.keys()].filter((name) => call.params.isTrainable(name));
    const key = [call.params.kept, ...trained].join();
    const backward = block.backward.get(key) ?? this.#compileBackward(call, trained, block);
    block.backward.set(key, backward);
    return [this.#runWithGradient(backward, call)];
  }

  /** Number of compiled blocks. */
  size(): number {
    return [...this.#compiled.values()].reduce((count, blocks) => count + blocks.length, 0);
  }

  #runWithGradient(backward: Backward, call: BlockCall): Tensor {
    const arguments_ = backward.wanted.map((name) => (name === DIFFERENTIABLE ? call.inputs[name]! : call.params.get(name)));
    const names = Object.keys(call.inputs);
    const run = customGrad((...rest: unknown[]) => {
      const save = rest.at(-1) as (tensors: Tensor[]) => void;
      const [value, ...saved] = this.#execute(backward.forward, call, [], undefined);
      invariant(value !== undefined, () => `block ${call.name} has no output`);
      // The tape's scope ends before the backward pass: what it reads must be kept. Weights outlive the step.
      save([...Object.values(call.inputs), ...saved]);
      return {
        value,
        gradFunc: (dy: Tensor, kept: Tensor[]) => {
          const inputs = Object.fromEntries(names.map((name, i) => [name, kept[i]!]));
          return this.#execute(backward, { ...call, inputs }, kept.slice(names.length), dy);
        },
      };
    });
    return run(...arguments_);
  }

  #execute({ session, sources, outputs }: Direction, call: BlockCall, saved: readonly Tensor[], gradient: Tensor | undefined): Tensor[] {
    const given = sources.map((source) => resolve(source, call, saved, gradient));
    const results = this.#backend.run(session, given.map((each) => (each instanceof Tensor ? this.#backend.hostTensor(each) : each)), outputs);
    for (const [i, each] of given.entries()) if (sources[i]!.kind === "mask" && each instanceof Tensor) each.dispose();
    return results.map((info) => engine().makeTensorFromTensorInfo(info));
  }

  #lookUp(call: BlockCall): CompiledBlock {
    const key = `${call.name}|${Object.entries(call.inputs).map(([name, { shape }]) => `${name}[${shape.join()}]`).join()}`;
    const candidates = this.#compiled.get(key) ?? [];
    const known = candidates.find((block) => answersAlike(block, call.params));
    if (known !== undefined) return known;
    const block = this.#compileForward(call);
    this.#compiled.set(key, [...candidates, block]);
    return block;
  }

  #compileForward(call: BlockCall): CompiledBlock {
    const tracer = new Tracer(this.#backend, call);
    const outputs = tracer.trace(() => call.fn(tracer.params, tracer.inputs).map((tensor) => tracer.valueOf(tensor)));
    const forward = once(() => direction(tracer.builder, tracer.sources(), outputs));
    return { reads: tracer.reads, asks: tracer.asks, drops: tracer.drops, forward, outputShape: outputs[0]!.shape, backward: new Map() };
  }

  /**
   * Traces forward and backward together. When intermediates are kept, the graph is cut in two at the values that cross;
   * else the whole graph is the backward pass.
   */
  #compileBackward(call: BlockCall, trained: readonly string[], { forward, outputShape }: CompiledBlock): Backward {
    const wanted = [DIFFERENTIABLE, ...trained];
    const tracer = new Tracer(this.#backend, call);
    const { result, gradient, gradients, boundary } = tracer.trace(() => {
      const targets = wanted.map((name) => (name === DIFFERENTIABLE ? tracer.inputs[name]! : tracer.params.get(name)));
      const dy = tracer.placeholder(outputShape);
      let nodesBefore = 0;
      const { value, grads } = engine().gradients(
        () => {
          const [output, ...others] = call.fn(tracer.params, tracer.inputs);
          invariant(output !== undefined && others.length === 0, () => `block ${call.name}: a trained block has one output`);
          nodesBefore = tracer.builder.nodes.length;
          return output;
        },
        targets,
        dy.tensor,
        true,
      );
      const found: readonly (Tensor | null)[] = grads;
      invariant(found.every((grad) => grad !== null), () => `block ${call.name}: its output does not depend on every trained parameter`);
      return { result: tracer.valueOf(value), gradient: dy.value, gradients: grads.map((grad) => tracer.valueOf(grad)), boundary: nodesBefore };
    });
    const saved = call.params.kept === "inputs" ? [] : crossingValues(tracer.builder, boundary);
    const sources = tracer.sources();
    return {
      ...direction(tracer.builder, [...sources, ...saved.map((value, index): Source => ({ kind: "saved", index, value })), { kind: "gradient", value: gradient }], gradients),
      forward: call.params.kept === "inputs" ? forward() : direction(tracer.builder, sources, [result, ...saved]),
      wanted,
    };
  }
}

function direction(builder: GraphBuilder, sources: readonly Source[], outputs: readonly Value[]): Direction {
  const graph = cutGraph(builder, sources.map(({ value }) => value), outputs);
  const used = new Set(graph.inputs.map(({ name }) => name));
  return { session: createSession(graph), sources: sources.filter(({ value }) => used.has(value.name)), outputs };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** What is done again rather than kept: it costs nothing, or its result would be a copy of a weight. */
const REPEATED = new Set(["Reshape", "Identity", "DequantizeLinear"]);

/** Results of forward nodes that backward nodes read. */
function crossingValues(builder: GraphBuilder, boundary: number): Value[] {
  const producers = new Map(builder.nodes.slice(0, boundary).flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const crossing = new Set<string>();
  const keep = (name: string): void => {
    const node = producers.get(name);
    if (node === undefined) return;
    if (REPEATED.has(node.op)) node.inputs.forEach(keep);
    else crossing.add(name);
  };
  for (const node of builder.nodes.slice(boundary)) node.inputs.forEach(keep);
  return [...crossing].map((name) => builder.values.get(name)!);
}

function answersAlike({ reads, asks, drops }: CompiledBlock, params: BlockParams): boolean {
  for (const [place, answer] of drops) if (params.drops(place) !== answer) return false;
  for (const [name, answer] of asks) if (params.has(name) !== answer) return false;
  for (const [name, form] of reads) if (!params.has(name) || formOf(params.packed(name) ?? params.get(name)) !== form) return false;
  return true;
}

/** A tensor, or what a packed weight consists of. */
function resolve(source: Source, call: BlockCall, saved: readonly Tensor[], gradient: Tensor | undefined): Tensor | HostTensor {
  switch (source.kind) {
    case "input":
      return call.inputs[source.name]!;
    case "param":
      return call.params.get(source.name);
    case "codes": {
      const { codes, scales, block } = packedWeight(call, source.name);
      return { type: "int8", dims: [scales.length, block], data: codes };
    }
    case "scales": {
      const { scales } = packedWeight(call, source.name);
      return { type: "float32", dims: [scales.length], data: scales };
    }
    case "mask":
      return call.params.dropoutMask(source.place, source.name, source.value.shape);
    case "saved":
      return saved[source.index]!;
    case "gradient":
      return gradient!;
  }
}

function packedWeight({ name: block, params }: BlockCall, name: string): PackedWeight {
  const packed = params.packed(name);
  invariant(packed !== undefined, () => `block ${block} was compiled for a packed weight ${name}`);
  return packed;
}

/** @file GraphBuilder: writes an ONNX graph node by node, with the shape of every value known. */
import type { AttributeValue, ElementType, GraphNode, Initializer, OnnxGraph, TensorType } from "./protobuf.ts";

/** A value of a graph under construction. */
export interface Value {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

export interface OpOptions {
  readonly shape: readonly number[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly domain?: "" | "com.microsoft";
}

export class GraphBuilder {
  readonly nodes: GraphNode[] = [];
  readonly initializers: Initializer[] = [];
  readonly values = new Map<string, Value>();
  readonly #constants = new Map<string, Value>();
  #counter = 0;

  input(shape: readonly number[], type: ElementType = "float32"): Value {
    return this.#value(shape, type);
  }

  /** One node with one output. */
  op(op: string, inputs: readonly Value[], { shape, ...options }: OpOptions): Value {
    const [output] = this.ops(op, inputs, { shapes: [shape], ...options });
    return output!;
  }

  /** One node with an output of every given shape. */
  ops(op: string, inputs: readonly Value[], { shapes, attributes = {}, domain = "" }: Omit<OpOptions, "shape"> & { readonly shapes: readonly (readonly number[])[] }): Value[] {
    const outputs = shapes.map((shape) => this.#value(shape, "float32"));
    this.nodes.push({ op, domain, inputs: inputs.map(({ name }) => name), outputs: outputs.map(({ name }) => name), attributes });
    return outputs;
  }

  /** One Split node: consecutive parts of the given shapes along an axis. */
  split(x: Value, shapes: readonly (readonly number[])[], axis: number): Value[] {
    return this.ops("Split", [x, this.integers(shapes.map((shape) => shape[axis] ?? 0))], { shapes, attributes: { axis } });
  }

  scalar(value: number): Value {
    return this.constant([], Float32Array.of(value));
  }

  /** A 1-D int64 constant: shapes, axes, bounds. */
  integers(values: readonly number[]): Value {
    return this.longs([values.length], values);
  }

  /** An int64 constant: indices. */
  longs(shape: readonly number[], values: readonly number[]): Value {
    return this.#constant("int64", shape, new Uint8Array(BigInt64Array.from(values, BigInt).buffer));
  }

  constant(shape: readonly number[], values: Float32Array): Value {
    return this.#constant("float32", shape, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  /** Equal constants are one initializer. */
  #constant(type: ElementType, shape: readonly number[], bytes: Uint8Array): Value {
    const key = bytes.length <= 64 ? `${type}[${shape.join()}]${bytes.join()}` : undefined;
    const known = key === undefined ? undefined : this.#constants.get(key);
    if (known !== undefined) return known;
    const value = this.#value(shape, type);
    this.initializers.push({ name: value.name, type, shape, bytes: bytes.slice() });
    if (key !== undefined) this.#constants.set(key, value);
    return value;
  }

  #value(shape: readonly number[], type: ElementType): Value {
    const value = { name: `v${this.#counter++}`, shape: [...shape], type };
    this.values.set(value.name, value);
    return value;
  }
}

/** The graph that computes `outputs` from `inputs`: only the nodes and constants they need, in order. */
export function cutGraph(builder: GraphBuilder, inputs: readonly Value[], outputs: readonly Value[], describe = tensorType): OnnxGraph {
  const given = new Set(inputs.map(({ name }) => name));
  const needed = new Set(outputs.map(({ name }) => name));
  const nodes: GraphNode[] = [];
  for (const node of builder.nodes.toReversed()) {
    if (!node.outputs.some((name) => needed.has(name) && !given.has(name))) continue;
    for (const name of node.inputs) needed.add(name);
    nodes.push(node);
  }
  return {
    nodes: nodes.reverse(),
    inputs: inputs.filter(({ name }) => needed.has(name)).map(describe),
    outputs: outputs.map(describe),
    initializers: builder.initializers.filter(({ name }) => needed.has(name)),
  };
}

function tensorType({ name, type, shape }: Value): TensorType {
  return { name, type, shape };
}

/**
 * @file The tfjs kernels of this backend: each is written once, as the ONNX nodes it stands for. Run alone it becomes a
 * graph of its own; inside a compiled block it is a few nodes of the block's graph.
 */
import { backend_util, type NamedAttrMap } from "@tensorflow/tfjs-core";
import { normalizeAxes, reducedShape } from "./axes.ts";
import type { GraphBuilder, Value } from "./graph.ts";

export interface KernelCall {
  readonly graph: GraphBuilder;
  readonly inputs: Readonly<Record<string, Value>>;
  readonly attrs: NamedAttrMap;
}

/** Writes a kernel's nodes and says what they compute. */
export type Emitter = (call: KernelCall) => Value | Value[];

const unary =
  (op: string): Emitter =>
  ({ graph, inputs: { x } }) =>
    graph.op(op, [x!], { shape: x!.shape });

const binary =
  (op: string): Emitter =>
  ({ graph, inputs: { a, b } }) =>
    graph.op(op, [a!, b!], { shape: backend_util.assertAndGetBroadcastShape([...a!.shape], [...b!.shape]) });

const square: Emitter = ({ graph, inputs: { x } }) => graph.op("Mul", [x!, x!], { shape: x!.shape });

const rsqrt: Emitter = ({ graph, inputs: { x } }) =>
  graph.op("Reciprocal", [graph.op("Sqrt", [x!], { shape: x!.shape })], { shape: x!.shape });

const squaredDifference: Emitter = ({ graph, inputs: { a, b } }) => {
  const shape = backend_util.assertAndGetBroadcastShape([...a!.shape], [...b!.shape]);
  const difference = graph.op("Sub", [a!, b!], { shape });
  return graph.op("Mul", [difference, difference], { shape });
};

/** a @ b with optional transposes; batch dimensions are equal, or one side has none. */
const batchMatMul: Emitter = ({ graph, inputs: { a, b }, attrs }) => {
  const { transposeA, transposeB } = attrs;
  const m = a!.shape.at(transposeA === true ? -1 : -2)!;
  const n = b!.shape.at(transposeB === true ? -2 : -1)!;
  const batch = a!.shape.length >= b!.shape.length ? a!.shape.slice(0, -2) : b!.shape.slice(0, -2);
  const shape = [...batch, m, n];
  if (transposeA !== true && transposeB !== true) return graph.op("MatMul", [a!, b!], { shape });
  const attributes = { transA: transposeA === true ? 1 : 0, transB: transposeB === true ? 1 : 0 };
  if (batch.every((size) => size === 1)) {
    const [left, right] = [matrix(graph, a!), matrix(graph, b!)];
    const isFlat = transposeA !== true && isFewRows(m, n);
    const flat = isFlat ? byColumns(graph, left, right) : graph.op("Gemm", [left, right], { shape: [m, n], attributes });
    return batch.length === 0 ? flat : reshaped(graph, flat, shape);
  }
  return graph.op("FusedMatMul", [a!, b!], { shape, attributes, domain: "com.microsoft" });
};

/** Rows from which the engine's own order is as fast; one row alone it multiplies without a copy. */
const FEW_ROWS = [2, 64] as const;

/** Whether a product of m rows with n columns is faster as `byColumns`. */
export function isFewRows(m: number, n: number): boolean {
  return m >= FEW_ROWS[0] && m <= FEW_ROWS[1] && m < n;
}

/**
 * a @ b^T for few rows, as (b @ a^T)^T. The engine copies the right-hand matrix, rearranged, at every call: here that is
 * the small one, and a weight is read once, where it lies. (As a Gemm the engine would turn it round again.)
 */
export function byColumns(graph: GraphBuilder, a: Value, b: Value): Value {
  const [m = 0] = a.shape;
  const [n = 0] = b.shape;
  const columns = graph.op("FusedMatMul", [b, a], { shape: [n, m], attributes: { transB: 1 }, domain: "com.microsoft" });
  return graph.op("Transpose", [columns], { shape: [m, n], attributes: { perm: [1, 0] } });
}

const softmax: Emitter = ({ graph, inputs: { logits }, attrs: { dim } }) =>
  graph.op("Softmax", [logits!], { shape: logits!.shape, attributes: { axis: typeof dim === "number" ? dim : -1 } });

const sum: Emitter = ({ graph, inputs: { x }, attrs }) => {
  const axes = normalizeAxes(attrs["axis"], x!.shape.length);
  const keepDims = attrs["keepDims"] === true;
  if (axes.length === 0) return x!;
  return graph.op("ReduceSum", [x!, graph.integers(axes)], { shape: reducedShape(x!.shape, axes, keepDims), attributes: { keepdims: keepDims ? 1 : 0 } });
};

const reduce =
  (op: string, axisName: string): Emitter =>
  ({ graph, inputs: { x }, attrs }) => {
    const axes = normalizeAxes(attrs[axisName], x!.shape.length);
    const keepDims = attrs["keepDims"] === true;
    if (axes.length === 0) return x!;
    return graph.op(op, [x!], { shape: reducedShape(x!.shape, axes, keepDims), attributes: { axes, keepdims: keepDims ? 1 : 0 } });
  };

const transpose: Emitter = ({ graph, inputs: { x }, attrs }) => {
  const perm = attrs["perm"] as number[];
  return graph.op("Transpose", [x!], { shape: perm.map((axis) => x!.shape[axis]!), attributes: { perm } });
};

const reshape: Emitter = ({ graph, inputs: { x }, attrs }) => reshaped(graph, x!, inferShape(attrs["shape"] as number[], x!.shape));

const slice: Emitter = ({ graph, inputs: { x }, attrs }) => {
  const begin = [attrs["begin"] as number | number[]].flat();
  const size = [attrs["size"] as number | number[]].flat();
  const starts = x!.shape.map((_, axis) => begin[axis] ?? 0);
  const shape = x!.shape.map((length, axis) => ((size[axis] ?? -1) < 0 ? length - starts[axis]! : size[axis]!));
  const axes = shape.flatMap((length, axis) => (length === x!.shape[axis] ? [] : [axis]));
  if (axes.length === 0) return graph.op("Identity", [x!], { shape });
  return graph.op(
    "Slice",
    [x!, graph.integers(axes.map((axis) => starts[axis]!)), graph.integers(axes.map((axis) => starts[axis]! + shape[axis]!)), graph.integers(axes)],
    { shape },
  );
};

const concat: Emitter = ({ graph, inputs, attrs }) => {
  const parts = Object.values(inputs);
  const [axis] = normalizeAxes(attrs["axis"], parts[0]!.shape.length);
  const shape = parts[0]!.shape.map((size, i) => (i === axis ? parts.reduce((total, part) => total + part.shape[i]!, 0) : size));
  return graph.op("Concat", parts, { shape, attributes: { axis: axis! } });
};

const splitV: Emitter = ({ graph, inputs: { x }, attrs }) => {
  const [axis = 0] = normalizeAxes(attrs["axis"], x!.shape.length);
  const count = attrs["numOrSizeSplits"] as number | number[];
  const length = x!.shape[axis]!;
  const sizes = typeof count === "number" ? Array.from({ length: count }, () => length / count) : count;
  const shapes = sizes.map((size) => x!.shape.map((old, i) => (i === axis ? size : old)));
  return graph.split(x!, shapes, axis);
};

const padV2: Emitter = ({ graph, inputs: { x }, attrs }) => {
  const paddings = attrs["paddings"] as [number, number][];
  const shape = x!.shape.map((size, axis) => size + paddings[axis]![0] + paddings[axis]![1]);
  const pads = graph.integers([...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)]);
  return graph.op("Pad", [x!, pads, graph.scalar(typeof attrs["constantValue"] === "number" ? attrs["constantValue"] : 0)], { shape });
};

const clip: Emitter = ({ graph, inputs: { x }, attrs }) =>
  graph.op("Clip", [x!, graph.scalar(attrs["clipValueMin"] as number), graph.scalar(attrs["clipValueMax"] as number)], { shape: x!.shape });

const identity: Emitter = ({ graph, inputs: { x } }) => graph.op("Identity", [x!], { shape: x!.shape });

/** Graphs hold floats only, so a cast inside one changes nothing. */
const cast: Emitter = ({ inputs: { x } }) => x!;

const expandDims: Emitter = ({ graph, inputs: { input }, attrs }) => {
  const dim = attrs["dim"] as number;
  const axis = dim < 0 ? input!.shape.length + 1 + dim : dim;
  return reshaped(graph, input!, input!.shape.toSpliced(axis, 0, 1));
};

/** Every kernel that runs natively; what is not here falls back to tfjs's JavaScript kernels on the same memory. */
export const EMITTERS: Readonly<Record<string, Emitter>> = {
  Abs: unary("Abs"),
  Add: binary("Add"),
  BatchMatMul: batchMatMul,
  Cast: cast,
  ClipByValue: clip,
  Concat: concat,
  Erf: unary("Erf"),
  Exp: unary("Exp"),
  ExpandDims: expandDims,
  Identity: identity,
  Log: unary("Log"),
  Max: reduce("ReduceMax", "reductionIndices"),
  Maximum: binary("Max"),
  Mean: reduce("ReduceMean", "axis"),
  Minimum: binary("Min"),
  Multiply: binary("Mul"),
  Neg: unary("Neg"),
  PadV2: padV2,
  Pow: binary("Pow"),
  RealDiv: binary("Div"),
  Reciprocal: unary("Reciprocal"),
  Relu: unary("Relu"),
  Reshape: reshape,
  Rsqrt: rsqrt,
  Sigmoid: unary("Sigmoid"),
  Slice: slice,
  Softmax: softmax,
  SplitV: splitV,
  Sqrt: unary("Sqrt"),
  Square: square,
  SquaredDifference: squaredDifference,
  Sub: binary("Sub"),
  Sum: sum,
  Tanh: unary("Tanh"),
  Transpose: transpose,
};

function reshaped(graph: GraphBuilder, x: Value, shape: readonly number[]): Value {
  return graph.op("Reshape", [x, graph.integers(shape)], { shape });
}

/** The last two dimensions of a value whose batch dimensions are all 1. */
function matrix(graph: GraphBuilder, x: Value): Value {
  return x.shape.length === 2 ? x : reshaped(graph, x, x.shape.slice(-2));
}

/** Fills in the one -1 of a target shape. */
function inferShape(target: readonly number[], source: readonly number[]): number[] {
  const size = source.reduce((product, length) => product * length, 1);
  const known = target.reduce((product, length) => (length === -1 ? product : product * length), 1);
  return target.map((length) => (length === -1 ? size / known : length));
}

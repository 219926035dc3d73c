/**
 * @file Our linear kernels. Sums go through Gemm's third operand, C, instead of passes of their own; the thin products
 * of adapters that read the same rows are one.
 */
import type { GraphBuilder, Value } from "./graph.ts";
import { byColumns, type Emitter, isFewRows } from "./kernels.ts";

export const linear: Emitter = ({ graph, inputs, attrs }) => {
  const [x, ...rest] = Object.values(inputs);
  const layers = layersOf(rest, attrs["hasBias"] as boolean[], attrs["hasAdapter"] as boolean[]);
  const adapters = layers.flatMap(({ adapter }) => (adapter === undefined ? [] : [adapter]));
  if (adapters.length === 0) return layers.map(({ weight, bias }) => timesTransposed(graph, x!, weight, bias));
  const down = scaledDown(graph, x!, adapters);
  const parts = columns(graph, down, adapters.map(({ a }) => a.shape[0]!));
  const outputs = layers.map(({ weight, bias, adapter }) => {
    const addend = adapter === undefined ? bias : timesTransposed(graph, parts[adapters.indexOf(adapter)]!, adapter.b, bias);
    return timesTransposed(graph, x!, weight, addend);
  });
  return [down, ...outputs];
};

export const linearInputGrad: Emitter = ({ graph, inputs, attrs }) => {
  const list = Object.values(inputs);
  const count = 2 * (attrs["layers"] as number);
  const [dDown, ...a] = list.slice(count);
  let sum = dDown === undefined ? undefined : times(graph, dDown, stacked(graph, a, 0), undefined);
  for (let i = 0; i < count; i += 2) sum = times(graph, list[i]!, list[i + 1]!, sum);
  return [sum!];
};

interface Adapter {
  readonly a: Value;
  readonly b: Value;
  readonly scale: Value;
}

interface Layer {
  readonly weight: Value;
  readonly bias: Value | undefined;
  readonly adapter: Adapter | undefined;
}

function layersOf(inputs: readonly Value[], hasBias: readonly boolean[], hasAdapter: readonly boolean[]): Layer[] {
  let next = 0;
  const take = (): Value => inputs[next++]!;
  return hasBias.map((isBiased, i) => ({
    weight: take(),
    bias: isBiased ? take() : undefined,
    adapter: hasAdapter[i] === true ? { a: take(), b: take(), scale: take() } : undefined,
  }));
}

/** scale x A^T of every adapter side by side. */
function scaledDown(graph: GraphBuilder, x: Value, adapters: readonly Adapter[]): Value {
  const down = timesTransposed(graph, x, stacked(graph, adapters.map(({ a }) => a), 0), undefined);
  const [only, ...others] = adapters;
  const factors = adapters.map(({ a, scale }) => graph.op("Expand", [scale, graph.integers([a.shape[0]!])], { shape: [a.shape[0]!] }));
  return graph.op("Mul", [down, others.length === 0 ? only!.scale : stacked(graph, factors, 0)], { shape: down.shape });
}

function stacked(graph: GraphBuilder, parts: readonly Value[], axis: number): Value {
  if (parts.length === 1) return parts[0]!;
  const length = parts.reduce((sum, { shape }) => sum + shape[axis]!, 0);
  return graph.op("Concat", parts, { shape: parts[0]!.shape.with(axis, length), attributes: { axis } });
}

function columns(graph: GraphBuilder, x: Value, widths: readonly number[]): Value[] {
  return widths.length === 1 ? [x] : graph.split(x, widths.map((width) => [x.shape[0]!, width]), 1);
}

/** a b^T + c */
function timesTransposed(graph: GraphBuilder, a: Value, b: Value, c: Value | undefined): Value {
  if (isFewRows(a.shape[0]!, b.shape[0]!)) {
    const product = byColumns(graph, a, b);
    return c === undefined ? product : graph.op("Add", [product, c], { shape: product.shape });
  }
  return graph.op("Gemm", c === undefined ? [a, b] : [a, b, c], { shape: [a.shape[0]!, b.shape[0]!], attributes: { transB: 1 } });
}

/** a b + c */
function times(graph: GraphBuilder, a: Value, b: Value, c: Value | undefined): Value {
  return graph.op("Gemm", c === undefined ? [a, b] : [a, b, c], { shape: [a.shape[0]!, b.shape[1]!] });
}

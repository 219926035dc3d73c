/** @file What our linear kernels share: reading their list of inputs, and adapters side by side. */
import type { GraphBuilder, Value } from "./graph.ts";

export interface Adapter {
  readonly a: Value;
  readonly b: Value;
  readonly scale: Value;
}

export interface Layer {
  readonly weight: Value;
  readonly bias: Value | undefined;
  readonly adapter: Adapter | undefined;
}

/** The layers among the inputs behind x. */
export function layersOf(inputs: readonly Value[], hasBias: readonly boolean[], hasAdapter: readonly boolean[]): Layer[] {
  let next = 0;
  const take = (): Value => inputs[next++]!;
  return hasBias.map((isBiased, i) => ({
    weight: take(),
    bias: isBiased ? take() : undefined,
    adapter: hasAdapter[i] === true ? { a: take(), b: take(), scale: take() } : undefined,
  }));
}

export function adaptersOf(layers: readonly Layer[]): Adapter[] {
  return layers.flatMap(({ adapter }) => (adapter === undefined ? [] : [adapter]));
}

/** scale x A^T [T, sum of R] of every adapter, and each one's part; x is [in, T] where `isColumns`. */
export function scaledDown(graph: GraphBuilder, x: Value, adapters: readonly Adapter[], isColumns: boolean): { readonly down: Value; readonly parts: ReadonlyMap<Adapter, Value> } {
  const product = gemm(graph, { a: x, b: stacked(graph, adapters.map(({ a }) => a)), transA: isColumns, transB: true });
  const down = graph.op("Mul", [product, scales(graph, adapters)], { shape: product.shape });
  const [rows = 0] = down.shape;
  const parts = adapters.length === 1 ? [down] : graph.split(down, adapters.map(({ a }) => [rows, a.shape[0]!]), 1);
  return { down, parts: new Map(adapters.map((adapter, i) => [adapter, parts[i]!])) };
}

/** One factor for every column of the product. */
function scales(graph: GraphBuilder, adapters: readonly Adapter[]): Value {
  if (adapters.length === 1) return adapters[0]!.scale;
  return stacked(graph, adapters.map(({ a, scale }) => graph.op("Expand", [scale, graph.integers([a.shape[0]!])], { shape: [a.shape[0]!] })));
}

/** The parts one below the other. */
export function stacked(graph: GraphBuilder, parts: readonly Value[]): Value {
  if (parts.length === 1) return parts[0]!;
  return graph.op("Concat", parts, { shape: parts[0]!.shape.with(0, parts.reduce((sum, { shape }) => sum + shape[0]!, 0)), attributes: { axis: 0 } });
}

export interface Gemm {
  readonly a: Value;
  readonly b: Value;
  /** Added; may be a row or a column. */
  readonly c?: Value | undefined;
  readonly transA?: boolean;
  readonly transB?: boolean;
}

/** a b + c, each of a and b transposed first where asked for. */
export function gemm(graph: GraphBuilder, { a, b, c, transA = false, transB = false }: Gemm): Value {
  const shape = [a.shape[transA ? 1 : 0]!, b.shape[transB ? 0 : 1]!];
  return graph.op("Gemm", c === undefined ? [a, b] : [a, b, c], { shape, attributes: { transA: transA ? 1 : 0, transB: transB ? 1 : 0 } });
}

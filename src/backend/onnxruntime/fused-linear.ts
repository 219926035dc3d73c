/**
 * @file Our linear kernels. Sums go through Gemm's third operand, C, instead of passes of their own; the thin products
 * of adapters that read the same rows are one.
 */
import type { GraphBuilder, Value } from "./graph.ts";
import { byColumns, type Emitter, isFewRows } from "./kernels.ts";
import { adaptersOf, gemm, type Layer, layersOf, scaledDown, stacked } from "./linear-parts.ts";

export const linear: Emitter = ({ graph, inputs, attrs }) => {
  const [x, ...rest] = Object.values(inputs);
  const layers = layersOf(rest, attrs["hasBias"] as boolean[], attrs["hasAdapter"] as boolean[]);
  const adapters = adaptersOf(layers);
  if (adapters.length === 0) return layers.map(({ weight, bias }) => timesTransposed(graph, x!, weight, bias));
  const { down, parts } = scaledDown(graph, x!, adapters, false);
  const addend = ({ adapter, bias }: Layer): Value | undefined => (adapter === undefined ? bias : timesTransposed(graph, parts.get(adapter)!, adapter.b, bias));
  return [down, ...layers.map((layer) => timesTransposed(graph, x!, layer.weight, addend(layer)))];
};

export const linearInputGrad: Emitter = ({ graph, inputs, attrs }) => {
  const list = Object.values(inputs);
  const count = 2 * (attrs["layers"] as number);
  const [dDown, ...a] = list.slice(count);
  let sum = dDown === undefined ? undefined : gemm(graph, { a: dDown, b: stacked(graph, a) });
  for (let i = 0; i < count; i += 2) sum = gemm(graph, { a: list[i]!, b: list[i + 1]!, c: sum });
  return [sum!];
};

/** a b^T + c */
function timesTransposed(graph: GraphBuilder, a: Value, b: Value, c: Value | undefined): Value {
  if (!isFewRows(a.shape[0]!, b.shape[0]!)) return gemm(graph, { a, b, c, transB: true });
  const product = byColumns(graph, a, b);
  return c === undefined ? product : graph.op("Add", [product, c], { shape: product.shape });
}

/**
 * @file Our linear kernels with the weight on the left, (x W^T)^T = W x^T. The engine copies the right-hand matrix,
 * rearranged, at every call and the left-hand one not at all: for few rows that copy of a weight is what a product costs.
 */
import type { GraphBuilder, Value } from "./graph.ts";
import type { Emitter } from "./kernels.ts";
import { adaptersOf, gemm, layersOf, scaledDown, stacked } from "./linear-parts.ts";

export const linearColumns: Emitter = ({ graph, inputs, attrs: { hasBias, hasAdapter, columnsIn, columnsOut } }) => {
  const [x, ...rest] = Object.values(inputs);
  const layers = layersOf(rest, hasBias as boolean[], hasAdapter as boolean[]);
  const adapters = adaptersOf(layers);
  const side = adapters.length === 0 ? undefined : scaledDown(graph, x!, adapters, columnsIn === true);
  const outputs = layers.map(({ weight, bias, adapter }) => {
    const shift = bias === undefined ? undefined : graph.op("Reshape", [bias, graph.integers([-1, 1])], { shape: [bias.shape[0]!, 1] });
    const addend = adapter === undefined ? shift : gemm(graph, { a: adapter.b, b: side!.parts.get(adapter)!, c: shift, transB: true });
    const columns = gemm(graph, { a: weight, b: x!, c: addend, transB: columnsIn !== true });
    return columnsOut === true ? columns : turned(graph, columns);
  });
  return side === undefined ? outputs : [side.down, ...outputs];
};

/** dx^T = W^T dy^T + A^T dDown^T. */
export const linearColumnsInputGrad: Emitter = ({ graph, inputs, attrs: { layers, columnsIn, columnsOut } }) => {
  const list = Object.values(inputs);
  const count = 2 * (layers as number);
  const [dDown, ...a] = list.slice(count);
  let sum = dDown === undefined ? undefined : gemm(graph, { a: stacked(graph, a), b: dDown, transA: true, transB: true });
  for (let i = 0; i < count; i += 2) sum = gemm(graph, { a: list[i + 1]!, b: list[i]!, c: sum, transA: true, transB: columnsOut !== true });
  return [columnsIn === true ? sum! : turned(graph, sum!)];
};

/** The transposed matrix. As a plain Transpose the engine would put the product back the way it was. */
function turned(graph: GraphBuilder, x: Value): Value {
  const [rows = 0, columns = 0] = x.shape;
  const batch = graph.op("Reshape", [x, graph.integers([1, rows, columns])], { shape: [1, rows, columns] });
  const transposed = graph.op("Transpose", [batch], { shape: [1, columns, rows], attributes: { perm: [0, 2, 1] } });
  return graph.op("Reshape", [transposed, graph.integers([columns, rows])], { shape: [columns, rows] });
}

/** @file Our rotary kernel: ONNX Runtime's RotaryEmbedding over the tables of `ropeTables`. */
import type { Emitter } from "./kernels.ts";
import type { GraphBuilder, Value } from "./graph.ts";

/** Rotating back is rotating with the negated sine. */
export const rope: Emitter = ({ graph, inputs: { x, cos, sin }, attrs: { inverse } }) => {
  const [batchSize = 0, , length = 0] = x!.shape;
  const sine = upperHalf(graph, sin!);
  const table = inverse === true ? graph.op("Neg", [sine], { shape: sine.shape }) : sine;
  // Every position has a table row of its own.
  const rows = graph.longs([batchSize, length], Array.from({ length: batchSize * length }, (_, row) => row));
  return [graph.op("RotaryEmbedding", [x!, rows, upperHalf(graph, cos!), table], { shape: x!.shape, domain: "com.microsoft" })];
};

/** [B, S, H] as [B * S, H / 2]; the upper halves hold the plain cosines and sines. */
function upperHalf(graph: GraphBuilder, table: Value): Value {
  const [batchSize = 0, length = 0, headDim = 0] = table.shape;
  const flat = graph.op("Reshape", [table, graph.integers([batchSize * length, headDim])], { shape: [batchSize * length, headDim] });
  return graph.op("Slice", [flat, graph.integers([headDim / 2]), graph.integers([headDim]), graph.integers([1])], { shape: [batchSize * length, headDim / 2] });
}

/** @file Our cross-entropy kernels: three passes over the logits in all. Shapes: M positions, V vocabulary. */
import type { GraphBuilder, Value } from "./graph.ts";
import type { Emitter } from "./kernels.ts";
import { ELEMENT_TYPES } from "./protobuf.ts";

export const crossEntropy: Emitter = ({ graph, inputs: { logits, labels, counted } }) => {
  const logProbs = graph.op("LogSoftmax", [logits!], { shape: logits!.shape, attributes: { axis: -1 } });
  const picked = graph.op("GatherElements", [logProbs, columnIndex(graph, labels!)], { shape: [labels!.shape[0]!, 1], attributes: { axis: 1 } });
  const loss = graph.op("Mul", [graph.op("Neg", [picked], { shape: picked.shape }), column(graph, counted!)], { shape: picked.shape });
  return [graph.op("Reshape", [loss, graph.integers([-1])], { shape: labels!.shape }), logProbs];
};

export const crossEntropyGrad: Emitter = ({ graph, inputs: { logProbs, labels, weight } }) => {
  const whole = { shape: logProbs!.shape };
  const factor = column(graph, weight!);
  const weighted = graph.op("Mul", [graph.op("Exp", [logProbs!], whole), factor], whole);
  const off = graph.op("Neg", [factor], { shape: factor.shape });
  return [graph.op("ScatterElements", [weighted, columnIndex(graph, labels!), off], { ...whole, attributes: { axis: 1, reduction: "add" } })];
};

/** [M] as [M, 1]; the -1 lets one session serve every M. */
function column(graph: GraphBuilder, x: Value): Value {
  return graph.op("Reshape", [x, graph.integers([-1, 1])], { shape: [x.shape[0]!, 1] });
}

/** Numbers as int64 indices: tensors of a graph are floats, which are exact up to 2^24. */
function columnIndex(graph: GraphBuilder, labels: Value): Value {
  return graph.op("Cast", [column(graph, labels)], { shape: [labels.shape[0]!, 1], attributes: { to: ELEMENT_TYPES.int64 } });
}

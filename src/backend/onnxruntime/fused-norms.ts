/** @file Our norm kernels. Forward is one node, which also gives the statistics; g below is dy * weight. */
import type { GraphBuilder, Value } from "./graph.ts";
import type { Emitter } from "./kernels.ts";

export const rmsNorm: Emitter = ({ graph, inputs: { x, weight }, attrs: { eps } }) =>
  graph.ops("SimplifiedLayerNormalization", [x!, weight!], { shapes: [x!.shape, perRow(x!)], attributes: { axis: -1, epsilon: { float: eps as number } } });

/** x^ = x r; dx = r (g - x^ mean(g x^)) = g r - x (mean(g x) r^3). */
export const rmsNormGrad: Emitter = ({ graph, inputs: { dy, x, weight, inverse } }) => {
  const whole = { shape: x!.shape };
  const row = { shape: perRow(x!) };
  const g = graph.op("Mul", [dy!, weight!], whole);
  const cubed = graph.op("Mul", [graph.op("Mul", [inverse!, inverse!], row), inverse!], row);
  const share = graph.op("Mul", [rowMean(graph, graph.op("Mul", [g, x!], whole)), cubed], row);
  return [graph.op("Sub", [graph.op("Mul", [g, inverse!], whole), graph.op("Mul", [x!, share], whole)], whole)];
};

export const layerNorm: Emitter = ({ graph, inputs: { x, weight, bias }, attrs: { eps } }) =>
  graph.ops("LayerNormalization", [x!, weight!, bias!], { shapes: [x!.shape, perRow(x!), perRow(x!)], attributes: { axis: -1, epsilon: { float: eps as number } } });

/** x^ = (x - mean) r; dx = r (g - mean(g) - x^ mean(g x^)). */
export const layerNormGrad: Emitter = ({ graph, inputs: { dy, x, weight, mean, inverse } }) => {
  const whole = { shape: x!.shape };
  const g = graph.op("Mul", [dy!, weight!], whole);
  const normed = graph.op("Mul", [graph.op("Sub", [x!, mean!], whole), inverse!], whole);
  const along = graph.op("Mul", [normed, rowMean(graph, graph.op("Mul", [g, normed], whole))], whole);
  return [graph.op("Mul", [graph.op("Sub", [graph.op("Sub", [g, rowMean(graph, g)], whole), along], whole), inverse!], whole)];
};

function rowMean(graph: GraphBuilder, x: Value): Value {
  return graph.op("ReduceMean", [x], { shape: perRow(x), attributes: { axes: [-1], keepdims: 1 } });
}

function perRow({ shape }: Value): number[] {
  return [...shape.slice(0, -1), 1];
}

/** @file Our activation kernels in few passes: at these widths a pass over memory costs more than its arithmetic. */
import type { GraphBuilder, Value } from "./graph.ts";
import type { Emitter } from "./kernels.ts";

/** x Phi(x) in one pass. */
export const gelu: Emitter = ({ graph, inputs: { x } }) => [graph.op("Gelu", [x!], { shape: x!.shape, domain: "com.microsoft" })];

/**
 * dy (Phi(x) + x phi(x)) with t = x / sqrt(2): Phi = (1 + erf t) / 2 and x phi = t exp(-t^2) / sqrt(pi), so that the
 * sum is half of 1 + erf t + t exp(ln(2 / sqrt(pi)) - t^2).
 */
export const geluGrad: Emitter = ({ graph, inputs: { dy, x } }) => {
  const { mul, add, sub, exp, erf } = elementwise(graph, x!.shape);
  const t = mul(x!, graph.scalar(Math.SQRT1_2));
  const bell = exp(sub(graph.scalar(Math.log(2 / Math.sqrt(Math.PI))), mul(t, t)));
  const twiceSlope = add(add(erf(t), mul(t, bell)), graph.scalar(1));
  return [mul(mul(twiceSlope, dy!), graph.scalar(0.5))];
};

/** QuickGelu is x s(alpha x): with alpha 1 silu, in one pass. */
export const swiGlu: Emitter = ({ graph, inputs: { gate, up } }) => {
  const { mul } = elementwise(graph, gate!.shape);
  return [mul(silu(graph, gate!), up!)];
};

/** With s = s(gate): dUp = dy gate s, and dGate = dy up (s + gate s (1 - s)) = dy (s (up - y) + y). */
export const swiGluGrad: Emitter = ({ graph, inputs: { dy, gate, up, y } }) => {
  const { mul, add, sub, sigmoid } = elementwise(graph, gate!.shape);
  const s = sigmoid(gate!);
  return [mul(dy!, add(mul(s, sub(up!, y!)), y!)), mul(dy!, mul(gate!, s))];
};

function silu(graph: GraphBuilder, x: Value): Value {
  return graph.op("QuickGelu", [x], { shape: x.shape, attributes: { alpha: { float: 1 } }, domain: "com.microsoft" });
}

type Elementwise = Readonly<Record<"mul" | "add" | "sub", (a: Value, b: Value) => Value> & Record<"exp" | "erf" | "sigmoid", (x: Value) => Value>>;

/** Ops over tensors of one shape, or such a tensor and a number. */
function elementwise(graph: GraphBuilder, shape: readonly number[]): Elementwise {
  const binary = (op: string) => (a: Value, b: Value) => graph.op(op, [a, b], { shape });
  const unary = (op: string) => (x: Value) => graph.op(op, [x], { shape });
  return { mul: binary("Mul"), add: binary("Add"), sub: binary("Sub"), exp: unary("Exp"), erf: unary("Erf"), sigmoid: unary("Sigmoid") };
}

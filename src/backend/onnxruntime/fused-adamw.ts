/** @file AdamW's formula as a graph that changes its inputs in place: no node reads a number after its successor is written. */
import type { AdamWArrays, AdamWScalars } from "../adamw-kernel.ts";
import { createSession, type HostTensor, type Session } from "./engine.ts";
import { cutGraph, GraphBuilder, type Value } from "./graph.ts";

/** Numbers a run works on: its seven arrays stay in a core's cache from node to node. */
const CHUNK = 1 << 17;

let session: Session | undefined;

export function adamw({ parameter, gradient, first, second }: AdamWArrays, scalars: AdamWScalars): void {
  session ??= createAdamw();
  const factors = factorsOf(scalars).map((factor) => vector(Float32Array.of(factor)));
  for (let start = 0; start < parameter.length; start += CHUNK) {
    const [p, g, m, v] = [parameter, gradient, first, second].map((array) => vector(array.subarray(start, start + CHUNK)));
    session.run([p!, g!, m!, v!, ...factors], [p!, m!, v!]);
  }
}

/**
 * The scalars of the graph, in its order. With c = 1 / sqrt(1 - beta2^step), the step
 * (stepSize m) / (sqrt(v) c + epsilon) is (stepSize / c) m / (sqrt(v) + epsilon / c).
 */
function factorsOf({ beta1, beta2, epsilon, learningRate, weightDecay, gradientScale, step }: AdamWScalars): number[] {
  const rootOfSecond = Math.sqrt(1 - beta2 ** step);
  const stepSize = (learningRate * rootOfSecond) / (1 - beta1 ** step);
  return [beta1, (1 - beta1) * gradientScale, beta2, (1 - beta2) * gradientScale ** 2, 1 - learningRate * weightDecay, stepSize, epsilon * rootOfSecond];
}

function createAdamw(): Session {
  const graph = new GraphBuilder();
  const input = (): Value => graph.input([1]);
  const op = (name: string, ...inputs: readonly Value[]): Value => graph.op(name, inputs, { shape: [1] });
  const [p, g, m, v, beta1, gScale, beta2, squareScale, kept, stepSize, epsilon] = [input(), input(), input(), input(), input(), input(), input(), input(), input(), input(), input()];
  const nextM = op("Add", op("Mul", m, beta1), op("Mul", g, gScale));
  const nextV = op("Add", op("Mul", v, beta2), op("Mul", op("Mul", g, g), squareScale));
  const change = op("Mul", op("Div", nextM, op("Add", op("Sqrt", nextV), epsilon)), stepSize);
  const nextP = op("Sub", op("Mul", p, kept), change);
  const long = new Set([p, g, m, v, nextP, nextM, nextV]);
  const describe = (value: Value): { name: string; type: Value["type"]; shape: (number | string)[] } => ({ name: value.name, type: value.type, shape: [long.has(value) ? "n" : 1] });
  return createSession(cutGraph(graph, [p, g, m, v, beta1, gScale, beta2, squareScale, kept, stepSize, epsilon], [nextP, nextM, nextV], describe));
}

function vector(data: Float32Array): HostTensor {
  return { type: "float32", dims: [data.length], data };
}

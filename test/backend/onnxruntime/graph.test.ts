import { expect, test } from "vitest";
import { cutGraph, GraphBuilder } from "../../../src/backend/onnxruntime/graph.ts";

test("a cut keeps the order of the nodes and drops what its outputs do not need", () => {
  const graph = new GraphBuilder();
  const [x, unused] = [graph.input([2]), graph.input([2])];
  const a = graph.op("Neg", [x], { shape: [2] });
  graph.op("Exp", [graph.op("Mul", [unused, graph.scalar(3)], { shape: [2] })], { shape: [2] });
  const b = graph.op("Add", [a, graph.scalar(2)], { shape: [2] });
  const c = graph.op("Mul", [b, a], { shape: [2] });

  const cut = cutGraph(graph, [x, unused], [c]);

  expect(cut.nodes.map(({ op }) => op)).toEqual(["Neg", "Add", "Mul"]);
  expect(cut.inputs.map(({ name }) => name)).toEqual([x.name]);
  expect(cut.outputs.map(({ name }) => name)).toEqual([c.name]);
  expect(cut.initializers.map(({ bytes }) => new Float32Array(bytes.buffer)[0])).toEqual([2]);
});

test("a cut stops at values that are given, however they were made", () => {
  const graph = new GraphBuilder();
  const x = graph.input([2]);
  const middle = graph.op("Neg", [x], { shape: [2] });
  const y = graph.op("Exp", [middle], { shape: [2] });

  const cut = cutGraph(graph, [x, middle], [y]);

  expect(cut.nodes.map(({ op }) => op)).toEqual(["Exp"]);
  expect(cut.inputs.map(({ name }) => name)).toEqual([middle.name]);
});

test("a node of several outputs is kept when one of them is needed", () => {
  const graph = new GraphBuilder();
  const x = graph.input([5, 2]);
  const [, second] = graph.split(x, [[2, 2], [3, 2]], 0);

  const cut = cutGraph(graph, [x], [second!]);

  expect(cut.nodes).toHaveLength(1);
  expect(cut.nodes[0]?.outputs).toHaveLength(2);
  expect(cut.outputs).toEqual([{ name: second!.name, type: "float32", shape: [3, 2] }]);
  expect(new BigInt64Array(cut.initializers[0]!.bytes.buffer)).toEqual(BigInt64Array.of(2n, 3n));
});

test("small constants of equal type, shape and numbers are one, others are not", () => {
  const graph = new GraphBuilder();

  const names = [graph.scalar(2), graph.scalar(2), graph.constant([1], Float32Array.of(2)), graph.integers([2]), graph.integers([2])].map(({ name }) => name);

  expect(new Set(names).size).toBe(3);
  expect(graph.initializers).toHaveLength(3);
});

test("a constant keeps its numbers when the array it came from changes", () => {
  const graph = new GraphBuilder();
  const numbers = Float32Array.of(1, 2);
  graph.constant([2], numbers);

  numbers.fill(9);

  expect([...new Float32Array(graph.initializers[0]!.bytes.buffer)]).toEqual([1, 2]);
});

import { describe, expect, test } from "vitest";
import { createSession, type HostTensor, type Session } from "../../../src/backend/onnxruntime/engine.ts";
import { cutGraph, GraphBuilder, type OpOptions } from "../../../src/backend/onnxruntime/graph.ts";

const floats = (...numbers: readonly number[]): HostTensor => ({ type: "float32", dims: [numbers.length], data: Float32Array.from(numbers) });

/** A session of one operator over vectors of one length. */
function vectorSession(op: string, { inputs, length, ...options }: { inputs: number; length: number } & Partial<OpOptions>): Session {
  const graph = new GraphBuilder();
  const values = Array.from({ length: inputs }, () => graph.input([length]));
  return createSession(cutGraph(graph, values, [graph.op(op, values, { shape: [length], ...options })]));
}

describe("a session", () => {
  test("runs its graph and writes into the given memory", () => {
    const session = vectorSession("Sub", { inputs: 2, length: 3 });
    const result = floats(7, 7, 7);
    const { data } = result;

    session.run([floats(5, 5, 5), floats(1, 2, 4)], [result]);

    expect(result.data).toBe(data);
    expect([...data]).toEqual([4, 3, 1]);
  });

  test("writes into a part of a larger array and leaves the rest alone", () => {
    const session = vectorSession("Neg", { inputs: 1, length: 2 });
    const memory = new Float32Array([9, 9, 9, 9]);

    session.run([floats(1, 2)], [{ type: "float32", dims: [2], data: memory.subarray(1, 3) }]);

    expect([...memory]).toEqual([9, -1, -2, 9]);
  });

  test("understands negative, floating-point and text attributes", () => {
    const graph = new GraphBuilder();
    const x = graph.input([2, 2]);
    const summed = graph.op("CumSum", [x, graph.integers([-1])], { shape: [2, 2] });
    const session = createSession(cutGraph(graph, [x], [graph.op("LeakyRelu", [summed], { shape: [2, 2], attributes: { alpha: { float: 0.5 } } })]));
    const result: HostTensor = { type: "float32", dims: [2, 2], data: new Float32Array(4) };

    session.run([{ type: "float32", dims: [2, 2], data: Float32Array.of(1, 2, -3, 1) }], [result]);

    expect([...result.data]).toEqual([1, 3, -1.5, -1]);
  });

  test("gives zero for what would be a denormal number, and keeps the smallest normal one", () => {
    const session = vectorSession("Mul", { inputs: 2, length: 2 });
    const result = floats(1, 1);

    session.run([floats(1e-30, 1e-30), floats(1e-10, 1e-7)], [result]);

    expect(1e-30 * 1e-10).toBeLessThan(2 ** -126); // the case occurred
    expect(1e-30 * 1e-7).toBeGreaterThan(2 ** -126);
    expect([...result.data]).toEqual([0, Math.fround(Math.fround(1e-30) * Math.fround(1e-7))]);
  });

  test("frees itself once, and cannot be run then", () => {
    const session = vectorSession("Neg", { inputs: 1, length: 1 });

    session.dispose();
    session.dispose();

    expect(() => session.run([floats(1)], [floats(0)])).toThrow("internal error: a session was run after it was disposed");
  });
});

describe("what does not fit is an error with ONNX Runtime's own text, and the engine goes on", () => {
  test.each<readonly [what: string, run: () => void, text: RegExp]>([
    ["an operator that does not exist", () => vectorSession("NoSuchOperator", { inputs: 1, length: 2 }), /^ONNX Runtime: .*NoSuchOperator/],
    ["an attribute that the operator does not know", () => vectorSession("Neg", { inputs: 1, length: 2, attributes: { beta: "x" } }), /^ONNX Runtime: .*beta/],
    ["an input of another size", () => vectorSession("Neg", { inputs: 1, length: 2 }).run([floats(1, 2, 3)], [floats(0, 0)]), /^ONNX Runtime: .*invalid dimensions for input.*Got: 3 Expected: 2/s],
    ["an output of another size", () => vectorSession("Neg", { inputs: 1, length: 2 }).run([floats(1, 2)], [floats(0, 0, 0)]), /^ONNX Runtime: .*\b3\b.*\b2\b/s],
    ["memory smaller than its tensor", () => vectorSession("Neg", { inputs: 1, length: 2 }).run([floats(1, 2)], [{ type: "float32", dims: [2], data: new Float32Array(1) }]), /^ONNX Runtime: not enough space: expected 8, got 4/],
    ["an input too few", () => vectorSession("Add", { inputs: 2, length: 2 }).run([floats(1, 2)], [floats(0, 0)]), /^internal error: 1 inputs for a graph of 2$/],
    ["an output too many", () => vectorSession("Neg", { inputs: 1, length: 1 }).run([floats(1)], [floats(0), floats(0)]), /^internal error: 2 outputs for a graph of 1$/],
  ])("%s", (_, run, text) => {
    expect(run).toThrow(text);

    const result = floats(0);
    vectorSession("Neg", { inputs: 1, length: 1 }).run([floats(3)], [result]);
    expect([...result.data]).toEqual([-3]);
  });
});

test("memory is steady over 300 runs", () => {
  const length = 1 << 16;
  const session = vectorSession("Exp", { inputs: 1, length });
  const [input, output] = [new Float32Array(length).fill(1), new Float32Array(length)];
  const run = (): void => session.run([{ type: "float32", dims: [length], data: input }], [{ type: "float32", dims: [length], data: output }]);
  for (let i = 0; i < 20; i++) run();
  const before = process.memoryUsage().rss;

  for (let i = 0; i < 300; i++) run();

  // One buffer a run that is not given back would be 75 MiB.
  expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(30);
  expect(output[length - 1]).toBeCloseTo(Math.E, 5);
});

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test, vi } from "vitest";
import { createSession } from "../../../src/backend/onnxruntime/engine.ts";
import { cutGraph, GraphBuilder } from "../../../src/backend/onnxruntime/graph.ts";

vi.mock("node:os", async (original) => ({ ...(await original<object>()), availableParallelism: () => 1 }));

test("on a single core the library stays loaded when garbage is collected (no thread of its pool holds it)", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const graph = new GraphBuilder();
  const x = graph.input([1]);
  const session = createSession(cutGraph(graph, [x], [graph.op("Neg", [x], { shape: [1] })]));
  const result = Float32Array.of(0);

  for (let round = 0; round < 3; round++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 5)); // finalizers run between tasks
  }
  session.run([{ type: "float32", dims: [1], data: Float32Array.of(2) }], [{ type: "float32", dims: [1], data: result }]);

  expect([...result]).toEqual([-2]);
});

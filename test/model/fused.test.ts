import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import { hasOwnKernel, type Orientation, type OwnKernel, runOwnKernel } from "../../src/backend/own-kernels.ts";
import { gelu, swiglu } from "../../src/model/activation.ts";
import { runBlock } from "../../src/model/block.ts";
import { maskedCrossEntropy } from "../../src/model/cross-entropy.ts";
import { linears, LORA_A, LORA_B, LORA_SCALE, orientedLinears } from "../../src/model/linear.ts";
import { layerNorm, rmsNorm } from "../../src/model/norm.ts";
import { ParamStore } from "../../src/model/params.ts";
import { rope, type RopeTables, ropeTables } from "../../src/model/rope.ts";
import { expectGradientsMatchDifferences, randomTensor, relativeError, storeOf, useBackend } from "./support.ts";

interface Case {
  readonly name: string;
  /** Without it the test would compare the composition with itself. */
  readonly kernel: OwnKernel;
  readonly fn: (...inputs: Tensor[]) => Tensor;
  readonly shapes: readonly (readonly number[])[];
}

const tables = (batchSize: number, length: number, headDim: number): RopeTables =>
  ropeTables(Int32Array.from({ length: batchSize * length }, (_, i) => (i * 7) % 11), { batchSize, headDim, theta: 100, maxPositions: 64 });

const CASES: readonly Case[] = [
  ...[[3, 5], [1, 1], [2, 3, 8], [17, 33]].flatMap((shape): Case[] => [
    { name: `gelu of [${shape.join()}]`, kernel: "Gelu", fn: (x) => gelu(x), shapes: [shape] },
    { name: `swiglu of [${shape.join()}]`, kernel: "SwiGlu", fn: (gate, up) => swiglu(gate, up), shapes: [shape, shape] },
  ]),
  ...[[4, 6], [1, 9], [2, 3, 5], [7, 16]].flatMap((shape): Case[] => [
    { name: `rmsNorm of [${shape.join()}]`, kernel: "RmsNorm", fn: (x, weight) => rmsNorm(x, weight, 1e-3), shapes: [shape, shape.slice(-1)] },
    { name: `layerNorm of [${shape.join()}]`, kernel: "LayerNorm", fn: (x, weight, bias) => layerNorm({ x: x, weight: weight, bias: bias, eps: 1e-3 }), shapes: [shape, shape.slice(-1), shape.slice(-1)] },
  ]),
  ...([[2, 3, 3, 4], [1, 1, 1, 2], [1, 2, 5, 6]] as const).map(
    (shape): Case => ({ name: `rope of [${shape.join()}]`, kernel: "Rope", fn: (x) => rope(x, tables(shape[0], shape[2], shape[3])), shapes: [shape] }),
  ),
];

const LOSS_CASES: readonly Case[] = [
  { name: "cross entropy with a row that does not count", kernel: "CrossEntropy", fn: (logits) => maskedCrossEntropy(logits, Int32Array.of(3, -100, 0, 6)).losses, shapes: [[4, 7]] },
  { name: "cross entropy of one row", kernel: "CrossEntropy", fn: (logits) => maskedCrossEntropy(logits, Int32Array.of(12)).losses, shapes: [[1, 13]] },
];

interface LayerShape {
  readonly out: number;
  readonly hasBias?: boolean;
  readonly rank?: number;
}

/** Rows into layers with biases and adapters, or without: gradients of x, weights, biases, A and B. */
function linearCase(title: string, [rows, inputSize]: readonly [number, number], layers: readonly LayerShape[], orientation?: Orientation): Case {
  const input = orientation?.columnsIn === true ? [inputSize, rows] : [rows, inputSize];
  const shapes = [input, ...layers.flatMap(({ out, hasBias = false, rank = 0 }) => [[out, inputSize], ...(hasBias ? [[out]] : []), ...(rank > 0 ? [[rank, inputSize], [out, rank]] : [])])];
  const fn = (x: Tensor, ...weights: Tensor[]): Tensor => {
    let next = 0;
    const params = storeOf(
      layers.flatMap(({ hasBias = false, rank = 0 }, i) => {
        const names = ["weight", ...(hasBias ? ["bias"] : []), ...(rank > 0 ? [LORA_A, LORA_B] : [])];
        const own = names.map((part): [string, Tensor] => [`${i}.${part}`, weights[next++]!]);
        return rank > 0 ? [...own, [`${i}.${LORA_SCALE}`, tf.scalar(0.5 + i)] as const] : own;
      }),
    );
    const names = layers.map((_, i) => String(i));
    if (orientation === undefined) return tf.concat([...linears(params, names, x)], 1);
    return tf.concat([...orientedLinears(params, names, x, orientation)], orientation.columnsOut ? 0 : 1);
  };
  return { name: `linear: ${title}`, kernel: orientation === undefined ? "Linear" : "LinearColumns", fn, shapes };
}

const THREE_LAYERS: readonly LayerShape[] = [{ out: 4, hasBias: true, rank: 2 }, { out: 3, rank: 1 }, { out: 2, hasBias: true, rank: 3 }];

const LINEAR_CASES: readonly Case[] = [
  linearCase("plain", [3, 5], [{ out: 4 }]),
  linearCase("one row, with a bias", [1, 5], [{ out: 3, hasBias: true }]),
  linearCase("an adapter", [7, 6], [{ out: 5, rank: 2 }]),
  linearCase("an adapter and a bias, many rows", [70, 3], [{ out: 2, hasBias: true, rank: 1 }]),
  linearCase("an adapter, more rows than are thin", [130, 3], [{ out: 4, rank: 2 }]),
  linearCase("few rows of many columns", [3, 4], [{ out: 9, hasBias: true, rank: 2 }]),
  linearCase("three of one input, adapters of different ranks", [5, 6], THREE_LAYERS),
  linearCase("three of one input, the second with an adapter", [5, 6], [{ out: 4 }, { out: 3, rank: 2 }, { out: 2, hasBias: true }]),
  linearCase("two of one input without adapters", [4, 3], [{ out: 4 }, { out: 6, hasBias: true }]),
  ...[[true, true], [true, false], [false, true], [false, false]].flatMap(([columnsIn = false, columnsOut = false]) => {
    const orientation = { columnsIn, columnsOut };
    const title = `weight on the left, ${columnsIn ? "columns" : "rows"} in, ${columnsOut ? "columns" : "rows"} out`;
    return [
      linearCase(`${title}: three of one input, adapters of different ranks`, [5, 6], THREE_LAYERS, orientation),
      linearCase(`${title}: one row, without adapter`, [1, 3], [{ out: 4, hasBias: true }, { out: 2 }], orientation),
    ];
  }),
];

/** Float32 sums in another order: a few rounding errors relative to the largest value. */
const TOLERANCE = 1e-5;

/** The first test on a busy machine registers tfjs's gradients. */
describe.each([...CASES, ...LOSS_CASES, ...LINEAR_CASES])("$name", { timeout: 60_000 }, ({ name, kernel, fn, shapes }) => {
  test("the fused kernel gives the value and gradients of the composition, alone and in a compiled block", async () => {
    const reference = await results("cpu", kernel, (inputs, dy) => [fn(...inputs), ...tf.grads(fn)([...inputs], dy)], { name, fn, shapes });
    const alone = await results("onnxruntime", kernel, (inputs, dy) => [fn(...inputs), ...tf.grads(fn)([...inputs], dy)], { name, fn, shapes });
    const compiled = await results("onnxruntime", kernel, (inputs, dy) => blockResults(name, fn, inputs, dy), { name, fn, shapes });

    await useBackend("cpu");
    expect(reference).toHaveLength(1 + shapes.length);
    for (const [i, { values, shape }] of reference.entries()) {
      const expected = tf.tensor(values, shape);
      expect(relativeError(tf.tensor(alone[i]!.values, alone[i]!.shape), expected), `alone, result ${i}`).toBeLessThan(TOLERANCE);
      expect(relativeError(tf.tensor(compiled[i]!.values, compiled[i]!.shape), expected), `compiled, result ${i}`).toBeLessThan(TOLERANCE);
    }
  });

  test("the fused gradient equals finite differences", async () => {
    await useBackend("onnxruntime");

    expect(hasOwnKernel(kernel, tf.zeros([1]))).toBe(true);
    expectGradientsMatchDifferences(fn, shapes.map((shape, i) => randomTensor(`${name} ${i}`, shape)));
  });
});

interface Numbers {
  readonly values: Float32Array;
  readonly shape: number[];
}

/** Read back while the backend that holds them is current. */
async function results(backend: string, kernel: OwnKernel, run: (inputs: Tensor[], dy: Tensor) => Tensor[], { name, fn, shapes }: Omit<Case, "kernel">): Promise<Numbers[]> {
  await useBackend(backend);
  expect(hasOwnKernel(kernel, tf.zeros([1]))).toBe(backend === "onnxruntime");
  const inputs = shapes.map((shape, i) => randomTensor(`${name} ${i}`, shape));
  const dy = randomTensor("dy", fn(...inputs).shape);
  return run(inputs, dy).map((tensor) => ({ values: Float32Array.from(tensor.dataSync()), shape: tensor.shape }));
}

/** The first input is the block's x, the others are its weights. */
function blockResults(name: string, fn: Case["fn"], [x, ...weights]: readonly Tensor[], dy: Tensor): Tensor[] {
  const params = new ParamStore();
  for (const [i, weight] of weights.entries()) params.set(`w${i}`, weight);
  params.setTrainable(params.names());
  const block = (input: Tensor): Tensor =>
    runBlock({ name: `fused test ${name}`, params, inputs: { x: input }, fn: (own, { x }) => [fn(x, ...weights.map((_, i) => own.get(`w${i}`)))] })[0]!;
  const { value, grads } = tf.valueAndGrads((input: Tensor): tf.Scalar => tf.sum(tf.mul(block(input), dy)))([x!, ...weights]);
  value.dispose();
  return [block(x!), ...grads];
}

test("cross entropy is safe for logits of any size, and a row that does not count has neither loss nor gradient", { timeout: 60_000 }, async () => {
  await useBackend("onnxruntime");
  const logits = tf.tensor2d([[1e4, 0, -1e4], [5, 5, 5], [0, 88, 0]]);
  const labels = Int32Array.of(2, -100, 1);

  const { sum, losses } = maskedCrossEntropy(logits, labels);
  const gradient = tf.grad((x: Tensor) => maskedCrossEntropy(x, labels).sum)(logits);

  expect([...losses.dataSync()].map(Math.abs)).toEqual([2e4, 0, 0]);
  expect(sum.dataSync()[0]).toBe(2e4);
  const rows = gradient.arraySync() as number[][];
  expect(rows[0]).toEqual([1, 0, -1]);
  expect(rows[1]?.map(Math.abs)).toEqual([0, 0, 0]);
  expect(Math.max(...rows[2]!.map(Math.abs))).toBeLessThan(1e-6);
});

test("no rows at all go through the composition", { timeout: 60_000 }, async () => {
  await useBackend("onnxruntime");
  const nothing = tf.zeros([0, 4]);
  const params = storeOf([["up.weight", tf.ones([3, 4])]]);

  expect(rmsNorm(nothing, tf.ones([4]), 1e-6).shape).toEqual([0, 4]);
  expect(linears(params, ["up"], nothing)[0].shape).toEqual([0, 3]);
  expect(swiglu(nothing, nothing).shape).toEqual([0, 4]);
});

test("an own kernel that gets what it does not take says which input it was", async () => {
  await useBackend("onnxruntime");

  expect(() => runOwnKernel("SwiGlu", { gate: tf.ones([2, 3]), up: tf.ones([2, 3], "int32") })).toThrow(
    "SwiGlu: every input must be a float32 tensor that is not empty, got gate float32 [2,3], up int32 [2,3]",
  );
});

import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { runOwnKernel } from "../../../src/backend/own-kernels.ts";
import { gelu, swiglu } from "../../../src/model/activation.ts";
import { describeOnGpu, normals, relativeDifference, useGpu, valuesOf } from "./software-gpu.ts";

/** Sizes that divide by four and not, below and above one workgroup. */
const SIZES = [1, 4, 7, 1028, 3001];

describeOnGpu("activations on a GPU", () => {
  test("GELU is the exact one to 2e-7 of its size, with a gradient good to 4e-7, from -12 to 12", async () => {
    const x = Float32Array.from({ length: 4801 }, (_, i) => -12 + i / 200);
    const [y, dx] = (await valuesOf([...runOwnKernel("Gelu", { x: tf.tensor1d(x) }), ...runOwnKernel("GeluGrad", { dy: tf.ones([x.length]), x: tf.tensor1d(x) })])) as [Float32Array, Float32Array];

    const error = (got: Float32Array, wanted: (at: number) => number): number => Math.max(...got.map((value, i) => Math.abs(value - wanted(x[i]!)) / Math.max(1, Math.abs(x[i]!))));
    expect(error(y, (at) => at * distribution(at))).toBeLessThan(2e-7);
    expect(error(dx, (at) => distribution(at) + (at * Math.exp(-(at ** 2) / 2)) / Math.sqrt(2 * Math.PI))).toBeLessThan(4e-7);
  });

  test("GELU of huge numbers is the number or zero", async () => {
    const x = tf.tensor1d([-3e38, -1e20, -40, 0, 40, 1e20, 3e38]);
    const [y, dx] = (await valuesOf([...runOwnKernel("Gelu", { x }), ...runOwnKernel("GeluGrad", { dy: tf.onesLike(x), x })])) as [Float32Array, Float32Array];

    expect(Array.from(y, (value) => value + 0)).toEqual([0, 0, 0, 0, 40, Math.fround(1e20), Math.fround(3e38)]);
    expect(Array.from(dx, (value) => value + 0)).toEqual([0, 0, 0, 0.5, 1, 1, 1]);
  });

  test.each(SIZES)("SwiGLU and its gradients are the formula's, in doubles: %i numbers", async (size) => {
    const [gate, up, dy] = [normals("gate", size, 4), normals("up", size), normals("dy", size)];
    const tensors = { gate: tf.tensor1d(gate), up: tf.tensor1d(up) };
    const [y] = runOwnKernel("SwiGlu", tensors);
    const results = await valuesOf([...runOwnKernel("SwiGluGrad", { dy: tf.tensor1d(dy), ...tensors, y }), y]);

    const sigmoid = Array.from(gate, (value) => 1 / (1 + Math.exp(-value)));
    const expected = [
      sigmoid.map((s, i) => dy[i]! * up[i]! * (s + gate[i]! * s * (1 - s))),
      sigmoid.map((s, i) => dy[i]! * gate[i]! * s),
      sigmoid.map((s, i) => gate[i]! * s * up[i]!),
    ];
    // WGSL allows exp(x) an error of 3 + 2 abs(x) units in the last place.
    for (const [i, values] of expected.entries()) expect(relativeDifference(results[i]!, values)).toBeLessThan(5e-6);
  });

  test("numbers beyond 65535 workgroups, the largest grid of one dimension, are computed too", async () => {
    const size = 65_535 * 256 + 3;
    const x = new Float32Array(size);
    for (const [i, at] of [0, 65_535 * 256 - 1, 65_535 * 256, size - 1].entries()) x[at] = 100 + i;
    const [y] = await valuesOf(runOwnKernel("Gelu", { x: tf.tensor1d(x) }));

    expect(y!.every((value, i) => value === x[i])).toBe(true);
  });

  test("SwiGLU of huge gates is the gate or zero", async () => {
    const gate = tf.tensor1d([-3e38, -1e10, -100, 100, 1e10, 3e38]);
    const up = tf.onesLike(gate);
    const [y] = runOwnKernel("SwiGlu", { gate, up });
    const [dGate, dUp, got] = (await valuesOf([...runOwnKernel("SwiGluGrad", { dy: up, gate, up, y }), y])) as [Float32Array, Float32Array, Float32Array];

    const silu = [0, 0, 0, 100, Math.fround(1e10), Math.fround(3e38)];
    expect([got, dUp].map((values) => Array.from(values, (value) => (Math.abs(value) < 1e-40 ? 0 : value)))).toEqual([silu, silu]);
    expect(Array.from(dGate, (value) => (Math.abs(value) < 1e-40 ? 0 : value))).toEqual([0, 0, 0, 1, 1, 1]);
  });

  test.each([[[3, 5]], [[2, 3, 8]]])("gradients flow as in tfjs's composition on the CPU: %j", async (shape) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const [x, up, dy] = [normals("x", size), normals("up", size), normals("dy", size)].map((values) => () => tf.tensor(values, shape)) as [() => tf.Tensor, () => tf.Tensor, () => tf.Tensor];
    const gradients = (): Promise<Float32Array[]> => valuesOf([tf.grad(gelu)(x(), dy()), ...tf.grads(swiglu)([x(), up()], dy())]);

    const onGpu = await gradients();
    await tf.setBackend("cpu");
    const onCpu = await gradients();
    await useGpu();

    expect(onGpu).toHaveLength(3);
    // tfjs's own erf is good to 1e-7.
    expect(onGpu.map((gradient, i) => relativeDifference(gradient, onCpu[i]!)).filter((difference) => !(difference < 2e-6))).toEqual([]);
  });
});

/** The standard normal's distribution: its series around 0, the continued fraction of its tail beyond. */
function distribution(x: number): number {
  const bell = Math.exp(-(x ** 2) / 2) / Math.sqrt(2 * Math.PI);
  if (Math.abs(x) > 5) {
    let fraction = 0;
    for (let n = 200; n > 0; n--) fraction = n / (Math.abs(x) + fraction);
    const tail = bell / (Math.abs(x) + fraction);
    return x < 0 ? tail : 1 - tail;
  }
  let [term, sum] = [x, x];
  for (let n = 3; n < 200; n += 2) {
    term *= x ** 2 / n;
    sum += term;
  }
  return 0.5 + bell * sum;
}

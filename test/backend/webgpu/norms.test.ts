import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { runOwnKernel } from "../../../src/backend/own-kernels.ts";
import { layerNorm, rmsNorm } from "../../../src/model/norm.ts";
import { describeOnGpu, normals, relativeDifference, useGpu, valuesOf } from "./software-gpu.ts";

/** Widths that divide by four and not, below and above what one round of threads reads. */
const SHAPES = [[3, 5], [7], [2, 3, 8], [2, 1, 67], [1, 2, 1, 130], [2, 900], [1, 4099], [5, 1]].map((shape) => [shape] as const);
const EPS = 1e-5;

describeOnGpu("normalisation on a GPU", () => {
  test.each(SHAPES)("RmsNorm and its gradient are the formula's, in doubles: %j", async (shape) => {
    const { x, dy, weight, width, rows } = example(shape);
    const [y, inverse] = runOwnKernel("RmsNorm", { x: x.tensor, weight: weight.tensor }, { eps: EPS });
    const [dx] = runOwnKernel("RmsNormGrad", { dy: dy.tensor, x: x.tensor, weight: weight.tensor, inverse });
    expect([y.shape, inverse.shape, dx.shape]).toEqual([x.tensor.shape, [...x.tensor.shape.slice(0, -1), 1], x.tensor.shape]);

    const expected = rows.map((start) => {
      const row = Array.from(x.values.slice(start, start + width));
      const r = 1 / Math.sqrt(mean(row.map((value) => value ** 2)) + EPS);
      const g = row.map((_, i) => dy.values[start + i]! * weight.values[i]!);
      const slope = mean(g.map((value, i) => value * row[i]! * r));
      return { r: [r], y: row.map((value, i) => value * r * weight.values[i]!), dx: row.map((value, i) => r * (g[i]! - value * r * slope)) };
    });
    const [gotY, gotInverse, gotDx] = (await valuesOf([y, inverse, dx])) as [Float32Array, Float32Array, Float32Array];
    expect(relativeDifference(gotY, expected.flatMap((row) => row.y))).toBeLessThan(2e-6);
    expect(relativeDifference(gotInverse, expected.flatMap((row) => row.r))).toBeLessThan(2e-6);
    // One number is its own norm: its gradient is what eps leaves of a difference of equals.
    if (width > 1) expect(relativeDifference(gotDx, expected.flatMap((row) => row.dx))).toBeLessThan(3e-6);
  });

  test.each(SHAPES)("LayerNorm and its gradient are the formula's, in doubles: %j", async (shape) => {
    const { x, dy, weight, bias, width, rows } = example(shape);
    const [y, means, inverse] = runOwnKernel("LayerNorm", { x: x.tensor, weight: weight.tensor, bias: bias.tensor }, { eps: EPS });
    const [dx] = runOwnKernel("LayerNormGrad", { dy: dy.tensor, x: x.tensor, weight: weight.tensor, mean: means, inverse });
    const statistic = [...x.tensor.shape.slice(0, -1), 1];
    expect([y.shape, means.shape, inverse.shape, dx.shape]).toEqual([x.tensor.shape, statistic, statistic, x.tensor.shape]);

    const expected = rows.map((start) => {
      const row = Array.from(x.values.slice(start, start + width));
      const m = mean(row);
      const r = 1 / Math.sqrt(mean(row.map((value) => (value - m) ** 2)) + EPS);
      const n = row.map((value) => (value - m) * r);
      const g = row.map((_, i) => dy.values[start + i]! * weight.values[i]!);
      const [shift, slope] = [mean(g), mean(g.map((value, i) => value * n[i]!))];
      return { m: [m], r: [r], y: n.map((value, i) => value * weight.values[i]! + bias.values[i]!), dx: n.map((value, i) => r * (g[i]! - shift - value * slope)) };
    });
    const [gotY, gotMeans, gotInverse, gotDx] = (await valuesOf([y, means, inverse, dx])) as [Float32Array, Float32Array, Float32Array, Float32Array];
    expect(relativeDifference(gotY, expected.flatMap((row) => row.y))).toBeLessThan(2e-6);
    expect(relativeDifference(gotMeans, expected.flatMap((row) => row.m))).toBeLessThan(2e-6);
    expect(relativeDifference(gotInverse, expected.flatMap((row) => row.r))).toBeLessThan(2e-6);
    // One number is its own mean, whose gradient is 0.
    if (width > 1) expect(relativeDifference(gotDx, expected.flatMap((row) => row.dx))).toBeLessThan(3e-6);
  });

  test("a large mean does not cost the variance its digits", async () => {
    const noise = normals("noise", 256);
    const x = Float32Array.from(noise, (value) => 1000 + value);
    const [y, ...statistics] = runOwnKernel("LayerNorm", { x: tf.tensor(x, [1, 256]), weight: tf.ones([256]), bias: tf.zeros([256]) }, { eps: EPS });

    const m = mean(Array.from(x));
    const r = 1 / Math.sqrt(mean(Array.from(x, (value) => (value - m) ** 2)) + EPS);
    expect(relativeDifference((await valuesOf([y, ...statistics]))[0]!, Float64Array.from(x, (value) => (value - m) * r))).toBeLessThan(1e-4);
  });

  test("rows beyond 65535, the largest grid of one dimension, are normalised too", async () => {
    const x = normals("many rows", 65_540 * 3);
    const [y, inverse] = runOwnKernel("RmsNorm", { x: tf.tensor(x, [65_540, 3]), weight: tf.ones([3]) }, { eps: EPS });

    const expected = Float64Array.from(x, (value, i) => {
      const start = i - (i % 3);
      return value / Math.sqrt((x[start]! ** 2 + x[start + 1]! ** 2 + x[start + 2]! ** 2) / 3 + EPS);
    });
    expect(relativeDifference((await valuesOf([y, inverse]))[0]!, expected)).toBeLessThan(2e-6);
  });

  test("gradients flow to x, weight and bias as in tfjs's composition on the CPU", async () => {
    const [x, weight, bias, dy] = [normals("x", 24), normals("weight", 6), normals("bias", 6), normals("dy", 24)];
    const gradients = async (): Promise<Float32Array[]> => {
      const ofRms = tf.grads((x: tf.Tensor, weight: tf.Tensor) => rmsNorm(x, weight, EPS))([tf.tensor(x, [2, 2, 6]), tf.tensor1d(weight)], tf.tensor(dy, [2, 2, 6]));
      const ofLayer = tf.grads((x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) => layerNorm({ x, weight, bias, eps: EPS }))([tf.tensor(x, [2, 2, 6]), tf.tensor1d(weight), tf.tensor1d(bias)], tf.tensor(dy, [2, 2, 6]));
      return valuesOf([...ofRms, ...ofLayer]);
    };

    const onGpu = await gradients();
    await tf.setBackend("cpu");
    const onCpu = await gradients();
    await useGpu();

    expect(onGpu.map((gradient, i) => relativeDifference(gradient, onCpu[i]!)).filter((difference) => !(difference < 3e-6))).toEqual([]);
    expect(onGpu).toHaveLength(5);
  });
});

interface Numbers {
  readonly values: Float32Array;
  readonly tensor: tf.Tensor;
}

function example(shape: readonly number[]): { x: Numbers; dy: Numbers; weight: Numbers; bias: Numbers; width: number; rows: number[] } {
  const width = shape.at(-1) ?? 1;
  const numbers = (name: string, of: readonly number[]): Numbers => {
    const values = normals(`${name} ${shape.join()}`, of.reduce((product, size) => product * size, 1));
    return { values, tensor: tf.tensor(values, [...of]) };
  };
  const x = numbers("x", shape);
  return { x, dy: numbers("dy", shape), weight: numbers("weight", [width]), bias: numbers("bias", [width]), width, rows: Array.from({ length: x.values.length / width }, (_, row) => row * width) };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

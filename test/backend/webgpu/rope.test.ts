import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { runOwnKernel } from "../../../src/backend/own-kernels.ts";
import { rope, type RopeTables, ropeTables } from "../../../src/model/rope.ts";
import { describeOnGpu, normals, relativeDifference, useGpu, valuesOf } from "./software-gpu.ts";

/** B, N, S, H: halves that divide by four and not. */
const SHAPES = [[1, 1, 1, 2], [2, 3, 5, 8], [2, 2, 3, 6], [1, 14, 9, 64], [3, 1, 4, 12]] as const;

describeOnGpu("rotary positions on a GPU", () => {
  test.each(SHAPES.map((shape) => [shape] as const))("every pair turns by its position's angle, and back: %j", async (shape) => {
    const [batch, heads, length, headDim] = shape;
    const positions = Int32Array.from({ length: batch * length }, (_, i) => (i * 37) % 501);
    const x = normals("x", batch * heads * length * headDim);
    const tables = tablesOf(positions, batch, headDim);
    const [turned] = runOwnKernel("Rope", { x: tf.tensor(x, [...shape]), ...tables }, { inverse: false });
    const [back] = runOwnKernel("Rope", { x: turned, ...tables }, { inverse: true });
    expect(turned.shape).toEqual([...shape]);
    const [gotTurned, gotBack] = (await valuesOf([turned, back])) as [Float32Array, Float32Array];

    const half = headDim / 2;
    const expected = new Float64Array(x.length);
    for (let row = 0; row < x.length / headDim; row++) {
      const position = positions[Math.floor(row / (heads * length)) * length + (row % length)]!;
      for (let i = 0; i < half; i++) {
        const angle = position * 10_000 ** (-i / half);
        const [a, b] = [x[row * headDim + i]!, x[row * headDim + half + i]!];
        expected[row * headDim + i] = a * Math.cos(angle) - b * Math.sin(angle);
        expected[row * headDim + half + i] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    }
    expect(relativeDifference(gotTurned, expected)).toBeLessThan(1e-6);
    expect(relativeDifference(gotBack, x)).toBeLessThan(1e-6);
  });

  test.each(SHAPES.map((shape) => [shape] as const))("heads that lie beside each other turn as heads that lie one behind the other: %j", async (shape) => {
    const [batch, heads, length, headDim] = shape;
    const tables = tablesOf(Int32Array.from({ length: batch * length }, (_, i) => (i * 37) % 501), batch, headDim);
    const x = tf.tensor(normals("x", batch * heads * length * headDim), [...shape]);
    for (const inverse of [false, true]) {
      const [byHead] = runOwnKernel("Rope", { x, ...tables }, { inverse });
      const [inRows] = runOwnKernel("RopeRows", { x: tf.transpose(x, [0, 2, 1, 3]), ...tables }, { inverse });

      const [expected, found] = await valuesOf([byHead, tf.transpose(inRows, [0, 2, 1, 3])]);

      expect(found).toEqual(expected);
    }
  });

  test("the gradient is that of tfjs's composition on the CPU", async () => {
    const [x, dy] = [normals("x", 96), normals("dy", 96)];
    const gradient = async (): Promise<Float32Array[]> => {
      const tables = tablesOf(Int32Array.from([0, 1, 2, 7, 8, 9]), 2, 8);
      return valuesOf([tf.grad((own) => rope(own, tables))(tf.tensor(x, [2, 2, 3, 8]), tf.tensor(dy, [2, 2, 3, 8]))]);
    };

    const [onGpu] = await gradient();
    await tf.setBackend("cpu");
    const [onCpu] = await gradient();
    await useGpu();

    expect(relativeDifference(onGpu!, onCpu!)).toBeLessThan(1e-6);
  });
});

function tablesOf(positions: Int32Array, batchSize: number, headDim: number): RopeTables {
  return ropeTables(positions, { batchSize, headDim, theta: 10_000 });
}

import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { halfWeight, halvesAsFloats, packHalves, widened } from "../../../src/backend/half-weight.ts";
import { type Columns, type Factors, multiply, type Product } from "../../../src/backend/webgpu/matmul.ts";
import { tileFor } from "../../../src/backend/webgpu/tiles.ts";
import { describeOnGpu, gpuBackend, normals, relativeDifference, valuesOf } from "./software-gpu.ts";

/** A product of up to a few thousand numbers, summed in another order. */
const TOLERANCE = 2e-5;

interface Case {
  readonly what: string;
  readonly a: readonly number[];
  readonly b: readonly number[];
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** Every transpose of matrices whose rows are multiples of four numbers, and of odd ones; several tiles along M and N, several parts along K. */
const TRANSPOSES: readonly Case[] = [false, true].flatMap((transposeA) =>
  [false, true].flatMap((transposeB) =>
    [[36, 20, 40], [37, 21, 33]].map(([m = 0, k = 0, n = 0]): Case => ({
      what: `[${m}, ${k}] by [${k}, ${n}]`,
      a: transposeA ? [k, m] : [m, k],
      b: transposeB ? [n, k] : [k, n],
      transposeA,
      transposeB,
    })),
  ),
);

/** Shaders of the cases above. */
const BATCHES: readonly Case[] = [
  { what: "a batch", a: [3, 37, 21], b: [3, 21, 33] },
  { what: "a batch of two dimensions", a: [2, 2, 36, 20], b: [2, 2, 20, 40] },
  { what: "a batch that begins on odd numbers, transposed", a: [3, 21, 37], b: [3, 33, 21], transposeA: true, transposeB: true },
  { what: "a batch and one matrix", a: [3, 37, 21], b: [21, 33] },
  { what: "one matrix and a batch", a: [36, 20], b: [3, 20, 40] },
  { what: "one matrix and a batch, both transposed", a: [20, 36], b: [2, 40, 20], transposeA: true, transposeB: true },
];

const THIN: readonly Case[] = [
  { what: "an adapter's A", a: [70, 2048], b: [16, 2048], transposeB: true },
  { what: "an adapter's odd A", a: [35, 301], b: [3, 301], transposeB: true },
  { what: "an adapter's gradient", a: [301, 6], b: [301, 50], transposeA: true },
  { what: "one token", a: [1, 132], b: [72, 132], transposeB: true },
  { what: "few numbers from many", a: [34, 4200], b: [36, 4200], transposeB: true },
  { what: "two numbers", a: [1, 1], b: [1, 1], transposeB: true },
  { what: "a column by a row", a: [40, 1], b: [9, 1], transposeB: true },
];

const LARGE: readonly (Case & { readonly tile: number })[] = [
  { tile: 64, what: "odd", a: [577, 13], b: [13, 601] },
  { tile: 64, what: "aligned", a: [580, 16], b: [604, 16], transposeB: true },
  { tile: 128, what: "odd", a: [9, 1271], b: [1159, 9], transposeA: true, transposeB: true },
  { tile: 128, what: "aligned", a: [1272, 12], b: [12, 1160] },
];

describeOnGpu("matrix products on a GPU", () => {
  test.each([...TRANSPOSES, ...BATCHES, ...THIN])("$what is the sum of its products, in doubles (transposed: $transposeA, $transposeB)", async (given) => {
    await expectProduct(given);
  });

  test.each(LARGE)("$what matrices that are cut into tiles of $tile by $tile", async ({ tile, ...given }) => {
    const [m, n] = [given.a[given.transposeA === true ? 1 : 0]!, given.b[given.transposeB === true ? 0 : 1]!];
    expect(tileFor(gpuBackend().device.limits, { rows: m, columns: n, depth: 16, batch: 1 })).toMatchObject({ rows: tile, columns: tile });

    await expectProduct(given);
  });

  /** [rows, columns, depth, perThread, slices]; shapes that no size takes by itself. */
  test.each([
    [32, 64, 16, 8, 1],
    [64, 128, 16, 8, 1],
    [128, 64, 8, 8, 1],
    [32, 32, 32, 4, 1],
    [16, 32, 32, 4, 4],
    [32, 16, 32, 4, 8],
  ] as const)("a tile of another shape gives the same product: %i x %i x %i, blocks of %i, %i slices", async (rows, columns, depth, perThread, slices) => {
    const [m, k, n] = [70, 45, 131];
    for (const transposeB of [true, false]) {
      const [a, b] = [random("a", [m, k]), random("b", transposeB ? [n, k] : [k, n])];
      const [left, right] = await numbersOf(a, b);

      const result = await run({ a, b, transposeA: false, transposeB, tile: { rows, columns, depth, perThread, slices } });

      expect(relativeDifference(result, reference(left!, right!, { m, k, n, transposeB }))).toBeLessThan(TOLERANCE);
    }
  });

  test("a scale, a bias, columns of the result and what they hold already: odd and aligned", async () => {
    for (const [m, k, n, start, width] of [[36, 20, 40, 8, 56], [37, 21, 33, 5, 47]] as const) {
      const [a, b, bias, before] = [random("a", [m, k]), random("b", [n, k]), random("bias", [n]), random("before", [m, width])];
      const [left, right] = await numbersOf(a, b);
      const [added, held] = await numbersOf(bias, before);
      const product = reference(left!, right!, { m, k, n, transposeB: true });

      const result = await run({ a, b, transposeA: false, transposeB: true, scale: tf.scalar(0.75), bias, into: { tensor: before, adds: true, columns: { start, count: n } } });

      const expected = Float64Array.from(held!);
      for (let row = 0; row < m; row++) for (let i = 0; i < n; i++) expected[row * width + start + i]! += 0.75 * product[row * n + i]! + added![i]!;
      expect(relativeDifference(result, expected)).toBeLessThan(TOLERANCE);
    }
  });

  test("columns of both matrices, transposed and not, stand for them", async () => {
    const given = [
      { a: [36, 20], b: [24, 8], columnsOfA: { start: 4, count: 8 }, transposeA: false, transposeB: true },
      { a: [36, 20], b: [24, 9], columnsOfA: { start: 3, count: 9 }, transposeA: false, transposeB: true },
      { a: [33, 20], b: [33, 70], columnsOfA: { start: 4, count: 12 }, columnsOfB: { start: 8, count: 40 }, transposeA: true, transposeB: false },
      { a: [33, 21], b: [33, 71], columnsOfA: { start: 1, count: 3 }, columnsOfB: { start: 2, count: 65 }, transposeA: true, transposeB: false },
    ] as const;
    for (const { a: ofA, b: ofB, ...rest } of given) {
      const [a, b] = [random("wide a", ofA), random("wide b", ofB)];
      const [left, right] = await numbersOf(a, b);
      const columns = (values: Float32Array, [rows, width]: readonly [number, number], { start, count }: Columns): Float32Array => Float32Array.from({ length: rows * count }, (_, i) => values[Math.floor(i / count) * width + start + (i % count)]!);
      const [onlyA, onlyB] = [columns(left!, ofA, rest.columnsOfA), columns(right!, ofB, "columnsOfB" in rest ? rest.columnsOfB : { start: 0, count: ofB[1] })];
      const [m, k] = rest.transposeA ? [rest.columnsOfA.count, ofA[0]] : [ofA[0], rest.columnsOfA.count];

      const result = await run({ a, b, ...rest });

      expect(relativeDifference(result, reference(onlyA, onlyB, { m, k, n: onlyB.length / k, transposeA: rest.transposeA, transposeB: rest.transposeB }))).toBeLessThan(TOLERANCE);
    }
  });

  test.each([
    { what: "thin", m: 1, k: 132, n: 72 },
    { what: "small, the last part of the depth partly empty", m: 37, k: 20, n: 40 },
    { what: "in tiles of 64", m: 577, k: 16, n: 604 },
    { what: "in tiles of 128", m: 1271, k: 12, n: 1160 },
  ])("a weight in halves gives the bits that its numbers as floats give: $what", async ({ m, k, n }) => {
    for (const transposeB of [true, false]) {
      const shape = transposeB ? [n, k] : [k, n];
      const pairs = packHalves(normals(`halves ${shape.join()}`, k * n))!;
      const [a, halves, floats] = [random("a", [m, k]), halfWeight(pairs, shape).halves, tf.tensor(halvesAsFloats(pairs), shape)];

      const actual = await run({ a, b: halves, transposeA: false, transposeB });

      const expected = await run({ a, b: floats, transposeA: false, transposeB });
      expect(actual.length).toBe(m * n);
      expect(actual.findIndex((value, i) => value !== expected[i])).toBe(-1);
      expect(relativeDifference(actual, expected)).toBe(0); // and not all zero
      tf.dispose([a, halves, floats]);
    }
  });

  test("halves are widened to their numbers", async () => {
    const pairs = packHalves(normals("widened", 37 * 12))!;
    const weight = halfWeight(pairs, [37, 12]);

    const [values] = await valuesOf([widened(weight)]);

    expect(values).toEqual(halvesAsFloats(pairs));
    weight.halves.dispose();
  });

  test("integers are no numbers to multiply", () => {
    expect(() => tf.matMul(tf.ones([4, 4], "int32"), tf.ones([4, 4], "int32"))).toThrow("a product of int32 and int32");
  });

  test("a second product is added, whatever its depth, before scale and bias", async () => {
    for (const [m, k, n, rank, wide] of [[36, 20, 40, 4, 12], [37, 21, 33, 5, 13]] as const) {
      const [a, b, c, d, bias] = [random("a", [m, k]), random("b", [n, k]), random("c", [m, wide]), random("d", [n, rank]), random("bias", [n])];
      const [left, right, down, up] = await numbersOf(a, b, c, d);
      const [added] = await numbersOf(bias);
      const columns = Float32Array.from({ length: m * rank }, (_, i) => down![Math.floor(i / rank) * wide + 4 + (i % rank)]!);
      const [first, second] = [reference(left!, right!, { m, k, n, transposeB: true }), reference(columns, up!, { m, k: rank, n, transposeB: true })];

      const result = await run({ a, b, transposeA: false, transposeB: true, bias, scale: tf.scalar(-2), addend: { a: c, columnsOfA: { start: 4, count: rank }, b: d, transposeA: false, transposeB: true } });

      expect(relativeDifference(result, first.map((value, i) => -2 * (value + second[i]!) + added![i % n]!))).toBeLessThan(TOLERANCE);
    }
  });

  test("a product without rows or columns is empty, one without depth is refused", async () => {
    const values = await valuesOf([tf.matMul(tf.zeros([0, 20]), tf.ones([20, 40])), tf.matMul(tf.ones([36, 20]), tf.zeros([20, 0]))]);

    expect(values.map(({ length }) => length)).toEqual([0, 0]);
    expect(() => tf.tidy(() => tf.matMul(tf.zeros([36, 0]), tf.zeros([0, 40])))).toThrow("product of [36,0] and [0,40]");
  });

  test("the gradients of tfjs's matMul are those products", async () => {
    const [a, b, dy] = [random("a", [37, 21]), random("b", [33, 21]), random("dy", [37, 33])];
    const [left, right, slope] = await numbersOf(a, b, dy);

    const [da, db] = await valuesOf(tf.grads((x: Tensor, y: Tensor) => tf.matMul(x, y, false, true))([a, b], dy));

    expect(relativeDifference(da!, reference(slope!, right!, { m: 37, k: 33, n: 21 }))).toBeLessThan(TOLERANCE);
    expect(relativeDifference(db!, reference(slope!, left!, { m: 33, k: 37, n: 21, transposeA: true }))).toBeLessThan(TOLERANCE);
  });

  test("matrices that do not fit each other are refused by their shapes", () => {
    expect(() => multiply(gpuBackend(), { a: tf.ones([2, 3]), b: tf.ones([4, 5]), transposeA: false, transposeB: false })).toThrow("product of [2,3] and [4,5], transposed: false, false");
    expect(() => multiply(gpuBackend(), { a: tf.ones([2, 2, 3]), b: tf.ones([3, 3, 5]), transposeA: false, transposeB: false })).toThrow("product of [2,2,3] and [3,3,5]");
  });
});

async function expectProduct({ a: ofA, b: ofB, transposeA = false, transposeB = false }: Case): Promise<void> {
  const [a, b] = [random("a", ofA), random("b", ofB)];
  const [left, right] = await numbersOf(a, b);
  const [[rowsA = 0, columnsA = 0], [rowsB = 0, columnsB = 0]] = [ofA.slice(-2), ofB.slice(-2)];
  const [m, k, n] = [transposeA ? columnsA : rowsA, transposeA ? rowsA : columnsA, transposeB ? rowsB : columnsB];
  const batch = Math.max(left!.length / (m * k), right!.length / (k * n));
  const at = (values: Float32Array, size: number, index: number): Float32Array => (values.length === size ? values : values.subarray(index * size, (index + 1) * size));
  const expected = Array.from({ length: batch }, (_, i) => [...reference(at(left!, m * k, i), at(right!, k * n, i), { m, k, n, transposeA, transposeB })]).flat();

  const product = tf.matMul(a, b, transposeA, transposeB);

  expect(product.shape).toEqual([...(ofA.length > ofB.length ? ofA : ofB).slice(0, -2), m, n]);
  expect(relativeDifference((await valuesOf([product]))[0]!, expected)).toBeLessThan(TOLERANCE);
  tf.dispose([a, b]);
}

/** The numbers of the product; its result is freed. */
async function run(product: Product): Promise<Float32Array> {
  const backend = gpuBackend();
  const result = multiply(backend, product);
  const values = Float32Array.from(await backend.read(result.dataId) as Float32Array);
  if (product.into === undefined) backend.disposeData(result.dataId);
  return values;
}

function random(name: string, shape: readonly number[]): Tensor {
  return tf.tensor(normals(`${name} ${shape.join()}`, shape.reduce((product, size) => product * size, 1)), [...shape]);
}

async function numbersOf(...tensors: readonly Tensor[]): Promise<Float32Array[]> {
  return Promise.all(tensors.map(async (tensor) => Float32Array.from(await tensor.data())));
}

interface Sizes extends Partial<Pick<Factors, "transposeA" | "transposeB">> {
  readonly m: number;
  readonly k: number;
  readonly n: number;
}

function reference(a: Float32Array, b: Float32Array, { m, k, n, transposeA = false, transposeB = false }: Sizes): Float64Array {
  const product = new Float64Array(m * n);
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < n; column++) {
      let sum = 0;
      for (let i = 0; i < k; i++) sum += a[transposeA ? i * m + row : row * k + i]! * b[transposeB ? column * k + i : i * n + column]!;
      product[row * n + column] = sum;
    }
  }
  return product;
}

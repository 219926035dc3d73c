/** @file Our linear kernels: a product for every weight, to which its adapter's is added on the way, and thin ones for the adapters. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { invariant } from "../../core/errors.ts";
import { freshTensor } from "./dispatch.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { type Columns, type Factors, multiply } from "./matmul.ts";

export const linear: WebGpuKernel = ({ backend, inputs, attributes }) => {
  const [x, ...rest] = Object.values(inputs);
  invariant(x !== undefined, () => "Linear without x");
  const layers = layersOf(rest, attributes["hasBias"] as boolean[], attributes["hasAdapter"] as boolean[]);
  const adapters = layers.flatMap(({ adapter }) => (adapter === undefined ? [] : [adapter]));
  const down = adapters.length === 0 ? undefined : besideEachOther(backend, adapters.map(({ a, scale }) => ({ a: x, b: a, transposeA: false, transposeB: true, scale })));
  const outputs = layers.map(({ weight, bias, adapter, columns }) => {
    const addend = adapter === undefined || down === undefined ? undefined : { a: down, b: adapter.b, transposeA: false, transposeB: true, columnsOfA: columns };
    return multiply(backend, { a: x, b: weight, transposeA: false, transposeB: true, bias, addend });
  });
  // tfjs keeps the first output for the gradient, which asks for it only where there are adapters.
  return [down ?? freshTensor(backend, [0]), ...outputs];
};

export const linearInputGrad: WebGpuKernel = ({ backend, inputs, attributes }) => {
  const list = Object.values(inputs);
  const count = 2 * (attributes["layers"] as number);
  const [dDown, ...adapters] = list.slice(count);
  const pairs = Array.from({ length: count / 2 }, (_, i): Factors => ({ a: list[2 * i]!, b: list[2 * i + 1]!, transposeA: false, transposeB: false }));
  const starts = startsOf(adapters.map(({ shape }) => shape[0] ?? 0));
  const thin = adapters.map((a, i): Factors => ({ a: dDown!, b: a, transposeA: false, transposeB: false, columnsOfA: starts[i] }));
  // Each large product takes a thin one along; what is left over of either goes alone.
  const rounds = Array.from({ length: Math.max(pairs.length, thin.length) }, (_, i) => [pairs[i], thin[i]].filter((factors) => factors !== undefined));
  let dx: TensorInfo | undefined;
  for (const [first, addend] of rounds) {
    const product = { ...first!, addend };
    dx = multiply(backend, dx === undefined ? product : { ...product, into: { tensor: dx, adds: true } });
  }
  return [dx!];
};

/** Inputs: dy, B and scale of every adapter in turn. Returns scale dy B of all of them side by side, [T, sum of R]. */
export const linearDown: WebGpuKernel = ({ backend, inputs }) => {
  const list = Object.values(inputs);
  const products = Array.from({ length: list.length / 3 }, (_, i) => {
    const [dy, b, scale] = list.slice(3 * i, 3 * i + 3) as [TensorInfo, TensorInfo, TensorInfo];
    return { a: dy, b, transposeA: false, transposeB: false, scale };
  });
  return [besideEachOther(backend, products)];
};

/** a^T b, of only the given columns of a or of b where an attribute says so. */
export const columnsProduct: WebGpuKernel = ({ backend, inputs: { a, b }, attributes: { ofA, ofB } }) => {
  invariant(a !== undefined && b !== undefined, () => "ColumnsProduct without two matrices");
  return [multiply(backend, { a, b, transposeA: true, transposeB: false, columnsOfA: columnsFrom(ofA), columnsOfB: columnsFrom(ofB) })];
};

function columnsFrom(attribute: unknown): Columns | undefined {
  if (!Array.isArray(attribute)) return undefined;
  const [start, count] = attribute as [number, number];
  return { start, count };
}

/** Thin products with equally many rows, in one matrix. */
function besideEachOther(backend: WebGPUBackend, products: readonly (Factors & { readonly scale: TensorInfo })[]): TensorInfo {
  const columns = startsOf(products.map(({ b, transposeB }) => b.shape[transposeB ? 0 : 1] ?? 0));
  const { start, count } = columns.at(-1)!;
  const tensor = freshTensor(backend, [products[0]!.a.shape[0] ?? 0, start + count]);
  for (const [i, product] of products.entries()) multiply(backend, { ...product, into: { tensor, adds: false, columns: columns[i]! } });
  return tensor;
}

function startsOf(counts: readonly number[]): Columns[] {
  let next = 0;
  return counts.map((count) => ({ start: (next += count) - count, count }));
}

interface Layer {
  readonly weight: TensorInfo;
  readonly bias: TensorInfo | undefined;
  readonly adapter: { readonly a: TensorInfo; readonly b: TensorInfo; readonly scale: TensorInfo } | undefined;
  /** Of the adapter among all adapters. */
  readonly columns: Columns;
}

/** The layers among the inputs behind x. */
function layersOf(inputs: readonly TensorInfo[], hasBias: readonly boolean[], hasAdapter: readonly boolean[]): Layer[] {
  let next = 0;
  let start = 0;
  const take = (): TensorInfo => inputs[next++]!;
  return hasBias.map((isBiased, i) => {
    const [weight, bias] = [take(), isBiased ? take() : undefined];
    const adapter = hasAdapter[i] === true ? { a: take(), b: take(), scale: take() } : undefined;
    const count = adapter?.a.shape[0] ?? 0;
    start += count;
    return { weight, bias, adapter, columns: { start: start - count, count } };
  });
}

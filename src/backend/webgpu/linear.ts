/** @file Our linear kernels: a product for every weight, and two thin ones for every adapter, which adds to the first's result in place. */
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { invariant } from "../../core/errors.ts";
import { freshTensor } from "./dispatch.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { multiply } from "./matmul.ts";

export const linear: WebGpuKernel = ({ backend, inputs, attributes }) => {
  const [x, ...rest] = Object.values(inputs);
  invariant(x !== undefined, () => "Linear without x");
  const layers = layersOf(rest, attributes["hasBias"] as boolean[], attributes["hasAdapter"] as boolean[]);
  const outputs = layers.map(({ weight, bias }) => multiply(backend, { a: x, b: weight, transposeA: false, transposeB: true, bias }));
  const rank = layers.reduce((sum, { adapter }) => sum + (adapter?.a.shape[0] ?? 0), 0);
  if (rank === 0) return outputs;
  const down = freshTensor(backend, [x.shape[0] ?? 0, rank]);
  let start = 0;
  for (const [i, { adapter }] of layers.entries()) {
    if (adapter === undefined) continue;
    const columns = { start, count: adapter.a.shape[0] ?? 0 };
    multiply(backend, { a: x, b: adapter.a, transposeA: false, transposeB: true, scale: adapter.scale, into: { tensor: down, adds: false, columns } });
    multiply(backend, { a: down, columnsOfA: columns, b: adapter.b, transposeA: false, transposeB: true, into: { tensor: outputs[i]!, adds: true } });
    start += columns.count;
  }
  return [down, ...outputs];
};

export const linearInputGrad: WebGpuKernel = ({ backend, inputs, attributes }) => {
  const list = Object.values(inputs);
  const count = 2 * (attributes["layers"] as number);
  const [dDown, ...adapters] = list.slice(count);
  const [dy, weight] = list as [TensorInfo, TensorInfo];
  const dx = multiply(backend, { a: dy, b: weight, transposeA: false, transposeB: false });
  const into = { tensor: dx, adds: true };
  for (let i = 2; i < count; i += 2) multiply(backend, { a: list[i]!, b: list[i + 1]!, transposeA: false, transposeB: false, into });
  let start = 0;
  for (const a of adapters) {
    const columns = { start, count: a.shape[0] ?? 0 };
    multiply(backend, { a: dDown!, columnsOfA: columns, b: a, transposeA: false, transposeB: false, into });
    start += columns.count;
  }
  return [dx];
};

interface Layer {
  readonly weight: TensorInfo;
  readonly bias: TensorInfo | undefined;
  readonly adapter: { readonly a: TensorInfo; readonly b: TensorInfo; readonly scale: TensorInfo } | undefined;
}

/** The layers among the inputs behind x. */
function layersOf(inputs: readonly TensorInfo[], hasBias: readonly boolean[], hasAdapter: readonly boolean[]): Layer[] {
  let next = 0;
  const take = (): TensorInfo => inputs[next++]!;
  return hasBias.map((isBiased, i) => ({
    weight: take(),
    bias: isBiased ? take() : undefined,
    adapter: hasAdapter[i] === true ? { a: take(), b: take(), scale: take() } : undefined,
  }));
}

/**
 * @file AdamW, in place, in the order of operations of `adamwStep` (train/adamw.ts). What changes from step to step goes into one
 * table: all else of a dispatch is as it was in the last step.
 */
import { invariant } from "../../core/errors.ts";
import { type AdamWScalars, type ScalarLists, scalarsOf } from "../adamw-kernel.ts";
import { dispatchElements, type ElementKernel } from "./elementwise.ts";
import { forgetHostCopy } from "./in-place.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { lanesOf, sizeOf } from "./parts.ts";

export const adamw: WebGpuKernel = (call) => {
  const { backend } = call;
  const list = Object.values(call.inputs);
  const rows = scalarsOf(call.attributes as unknown as ScalarLists).map(tableRow);
  invariant(list.length === 4 * rows.length, () => `AdamW of ${list.length} tensors and ${rows.length} rows of numbers`);
  const table = backend.makeTensorInfo([rows.length, ROW], "float32", Float32Array.from(rows.flat()));
  for (const index of rows.keys()) {
    const [parameter, gradient, first, second] = list.slice(4 * index);
    invariant(parameter !== undefined && gradient !== undefined && first !== undefined && second !== undefined, () => "AdamW of a part of a parameter");
    const size = sizeOf(parameter);
    const lanes = lanesOf(size);
    dispatchElements(backend, ADAMW, { lanes, parts: size / lanes, buffers: { parameter, gradient, first, second, table }, uniforms: { start: ROW * index } });
    forgetHostCopy(backend, parameter.dataId, first.dataId, second.dataId);
  }
  backend.disposeData(table.dataId);
  return [];
};

/** Numbers of a parameter in the table, in the order in which the shader reads them. */
const ROW = 9;

/** In doubles: 1 - beta ** step is all cancellation in the first steps. */
function tableRow({ beta1, beta2, epsilon, weightDecay, learningRate, gradientScale, step }: AdamWScalars): number[] {
  return [beta1, 1 - beta1, beta2, 1 - beta2, gradientScale, 1 - learningRate * weightDecay, learningRate / (1 - beta1 ** step), 1 / Math.sqrt(1 - beta2 ** step), epsilon];
}

const ADAMW: ElementKernel<"start"> = {
  name: "adamw",
  reads: { gradient: "part", table: "f32" },
  writes: { parameter: "part", first: "part", second: "part" },
  uniforms: { start: "u32" },
  body: () => `
  let g = gradient[i] * table[u.start + 4u];
  let m = table[u.start] * first[i] + table[u.start + 1u] * g;
  let v = table[u.start + 2u] * second[i] + table[u.start + 3u] * g * g;
  first[i] = m;
  second[i] = v;
  parameter[i] = parameter[i] * table[u.start + 5u] - (table[u.start + 6u] * m) / (sqrt(v) * table[u.start + 7u] + table[u.start + 8u]);`,
};

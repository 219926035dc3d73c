/** @file Rows that are sums of rows, by lists: deterministic, without atomic additions. */
import { freshTensor } from "./dispatch.ts";
import { dispatchElements, type ElementKernel } from "./elementwise.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { lanesOf, numberOf, tensorOf } from "./parts.ts";

export const sumRows: WebGpuKernel = (call) => {
  const [values, lists] = [tensorOf(call, "values"), tensorOf(call, "lists")];
  const rows = numberOf(call, "rows");
  const columns = values.shape.at(-1) ?? 1;
  const lanes = lanesOf(columns);
  const width = columns / lanes;
  const sums = freshTensor(call.backend, [rows, columns]);
  dispatchElements(call.backend, SUM_ROWS, { lanes, parts: rows * width, buffers: { values, lists, sums }, uniforms: { rows, width } });
  return [sums];
};

const SUM_ROWS: ElementKernel<"rows" | "width"> = {
  name: "sumRows",
  reads: { values: "part", lists: "i32" },
  writes: { sums: "part" },
  uniforms: { rows: "u32", width: "u32" },
  body: () => `
  let row = i / u.width;
  let column = i % u.width;
  var sum = Part();
  for (var j = lists[row]; j < lists[row + 1u]; j++) { sum += values[u32(lists[u.rows + 1u + u32(j)]) * u.width + column]; }
  sums[i] = sum;`,
};

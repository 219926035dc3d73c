/** @file Rows copied from one tensor into another, in place, bit for bit. */
import { invariant } from "../../core/errors.ts";
import { dispatchElements, type ElementKernel } from "./elementwise.ts";
import { forgetHostCopy } from "./in-place.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { lanesOf, sizeOf, tensorOf } from "./parts.ts";

export const copyRows: WebGpuKernel = (call) => {
  const [source, target, from, to] = [tensorOf(call, "source"), tensorOf(call, "target"), tensorOf(call, "from"), tensorOf(call, "to")];
  const width = source.shape.at(-1) ?? 1;
  invariant(
    sizeOf(target) % width === 0 && source.dtype === target.dtype && sizeOf(from) === sizeOf(to) && from.dtype === "int32" && to.dtype === "int32",
    () => `CopyRows of ${from.dtype} [${from.shape.join()}] from ${source.dtype} [${source.shape.join()}] to ${to.dtype} [${to.shape.join()}] of ${target.dtype} [${target.shape.join()}]`,
  );
  const lanes = lanesOf(width);
  const parts = (sizeOf(from) * width) / lanes;
  if (parts === 0) return [];
  dispatchElements(call.backend, COPY_ROWS, { lanes, parts, buffers: { source, destination: target, fromRows: from, toRows: to }, uniforms: { width: width / lanes } });
  forgetHostCopy(call.backend, target.dataId);
  return [];
};

/** `from` and `target` are reserved words. */
const COPY_ROWS: ElementKernel<"width"> = {
  name: "copyRows",
  reads: { source: "word", fromRows: "i32", toRows: "i32" },
  writes: { destination: "word" },
  uniforms: { width: "u32" },
  body: () => `
  let row = i / u.width;
  let column = i % u.width;
  destination[u32(toRows[row]) * u.width + column] = source[u32(fromRows[row]) * u.width + column];`,
};

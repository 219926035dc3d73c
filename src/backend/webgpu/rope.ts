/** @file Rotary positions. Shapes: B batch row, N heads, S sequence, H head size. */
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { invariant } from "../../core/errors.ts";
import { freshTensor } from "./dispatch.ts";
import { dispatchElements, type ElementKernel } from "./elementwise.ts";
import type { KernelCall, WebGpuKernel } from "./kernels.ts";
import { lanesOf, tensorOf } from "./parts.ts";

/** x [B, N, S, H] */
export const rope: WebGpuKernel = (call) => rotated(call, ({ shape: [, heads = 0, length = 0] }) => ({ heads, length, step: 1 }));

/** x [B, S, N, H] */
export const ropeRows: WebGpuKernel = (call) => rotated(call, ({ shape: [, length = 0, heads = 0] }) => ({ heads, length, step: heads }));

interface Order {
  readonly heads: number;
  readonly length: number;
  /** Rows from one position of a head to its next. */
  readonly step: number;
}

function rotated(call: KernelCall, orderOf: (x: TensorInfo) => Order): TensorInfo[] {
  const [x, cos, sin] = [tensorOf(call, "x"), tensorOf(call, "cos"), tensorOf(call, "sin")];
  const [headSize = 0] = x.shape.slice(-1);
  const rows = x.shape.slice(0, -1).reduce((product, size) => product * size, 1);
  invariant(headSize % 2 === 0, () => `Rope of heads of size ${headSize}`);
  const y = freshTensor(call.backend, x.shape);
  const lanes = lanesOf(headSize / 2);
  const half = headSize / 2 / lanes;
  dispatchElements(call.backend, ROPE, {
    lanes,
    parts: rows * half,
    buffers: { x, cos, sin, y },
    uniforms: { ...orderOf(x), half, direction: call.attributes["inverse"] === true ? -1 : 1 },
  });
  return [y];
}

/** A thread turns pairs (j, j + H/2). The table's sines have their signs, so that the other half is added. */
const ROPE: ElementKernel<"heads" | "length" | "step" | "half" | "direction"> = {
  name: "rope",
  reads: { x: "part", cos: "part", sin: "part" },
  writes: { y: "part" },
  uniforms: { heads: "u32", length: "u32", step: "u32", half: "u32", direction: "f32" },
  body: () => `
  let row = i / u.half;
  let j = i % u.half;
  let at = row * 2u * u.half + j;
  let table = ((row / (u.heads * u.length)) * u.length + (row / u.step) % u.length) * 2u * u.half + j;
  let first = x[at];
  let second = x[at + u.half];
  y[at] = first * cos[table] + second * (u.direction * sin[table]);
  y[at + u.half] = second * cos[table + u.half] + first * (u.direction * sin[table + u.half]);`,
};

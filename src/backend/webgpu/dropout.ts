/** @file Masks of dropout: `fillDropoutMask` (backend/dropout-mask.ts) in WGSL, number for number. */
import { dropThreshold } from "../dropout-mask.ts";
import { freshTensor } from "./dispatch.ts";
import { dispatchElements, type ElementKernel } from "./elementwise.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { numberOf, sizeOf } from "./parts.ts";

export const dropoutMask: WebGpuKernel = (call) => {
  const rate = numberOf(call, "rate");
  const mask = freshTensor(call.backend, [numberOf(call, "rows"), numberOf(call, "width")]);
  const uniforms = { low: numberOf(call, "low"), high: numberOf(call, "high"), threshold: dropThreshold(rate), kept: 1 / (1 - rate) };
  dispatchElements(call.backend, MASK, { lanes: 1, parts: sizeOf(mask), buffers: { mask }, uniforms });
  return [mask];
};

const MASK: ElementKernel<"low" | "high" | "threshold" | "kept"> = {
  name: "dropoutMask",
  reads: {},
  writes: { mask: "f32" },
  uniforms: { low: "u32", high: "u32", threshold: "u32", kept: "f32" },
  body: () => `
  var hash = ((i >> 1u) * 0x9e3779b9u + u.low) ^ u.high;
  hash = (hash ^ (hash >> 16u)) * 0x21f0aaadu;
  hash = (hash ^ (hash >> 15u)) * 0x735a2d97u;
  hash = hash ^ (hash >> 15u);
  let draw = (hash >> (16u * (i & 1u))) & 0xffffu;
  mask[i] = select(u.kept, 0.0, draw < u.threshold);`,
};

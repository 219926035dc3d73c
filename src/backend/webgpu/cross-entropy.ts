/** @file Cross entropy of M positions over a vocabulary of V. */
import { freshTensor } from "./dispatch.ts";
import { dispatchElements, type ElementKernel } from "./elementwise.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { lanesOf, sizeOf, tensorOf } from "./parts.ts";
import { dispatchRows, type RowKernel } from "./rowwise.ts";

export const crossEntropy: WebGpuKernel = (call) => {
  const [logits, labels, counted] = [tensorOf(call, "logits"), tensorOf(call, "labels"), tensorOf(call, "counted")];
  const [losses, logProbs] = [freshTensor(call.backend, labels.shape), freshTensor(call.backend, logits.shape)];
  dispatchRows(call.backend, CROSS_ENTROPY, { like: logits, buffers: { logits, labels, counted, losses, logProbs }, uniforms: {} });
  return [losses, logProbs];
};

export const crossEntropyGrad: WebGpuKernel = (call) => {
  const [logProbs, labels, weight] = [tensorOf(call, "logProbs"), tensorOf(call, "labels"), tensorOf(call, "weight")];
  const dLogits = freshTensor(call.backend, logProbs.shape);
  const vocabulary = logProbs.shape.at(-1) ?? 1;
  const lanes = lanesOf(vocabulary);
  dispatchElements(call.backend, CROSS_ENTROPY_GRAD, {
    lanes,
    parts: sizeOf(logProbs) / lanes,
    buffers: { logProbs, labels, weight, dLogits },
    uniforms: { width: vocabulary / lanes },
  });
  return [dLogits];
};

/** WGSL has no infinity. */
const LOWEST = "-3.4028234e38";

/** A finding is the largest logit seen and the sum of exp(logit - it): one reading finds both. The exponents' bound, where exp is 0, keeps LOWEST from it. */
const CROSS_ENTROPY: RowKernel<never> = {
  name: "crossEntropy",
  reads: { logits: "part", labels: "f32", counted: "f32" },
  writes: { losses: "f32", logProbs: "part" },
  uniforms: {},
  finding: { type: "vec2<f32>", merged: "let m = max(a.x, b.x); return vec2<f32>(m, a.y * exp(max(a.x - m, -100.0)) + b.y * exp(max(b.x - m, -100.0)));" },
  body: (lanes) => `
  var own = vec2<f32>(${LOWEST}, 0.0);
  for (var i = thread; i < u.width; i += THREADS) {
    let values = logits[start + i];
    let m = max(own.x, largest(values));
    own = vec2<f32>(m, own.y * exp(max(own.x - m, -100.0)) + total(exp(values - m)));
  }
  let all = together(thread, own);
  let logSum = log(all.y);
  for (var i = thread; i < u.width; i += THREADS) { logProbs[start + i] = (logits[start + i] - all.x) - logSum; }
  if (thread == 0u) {
    let label = u32(labels[row]);
    losses[row] = (logSum - (logits[start + label / LANES]${lanes === 1 ? "" : "[label % LANES]"} - all.x)) * counted[row];
  }`,
};

const CROSS_ENTROPY_GRAD: ElementKernel<"width"> = {
  name: "crossEntropyGrad",
  reads: { logProbs: "part", labels: "f32", weight: "f32" },
  writes: { dLogits: "part" },
  uniforms: { width: "u32" },
  body: (lanes) => `
  let row = i / u.width;
  let scale = weight[row];
  if (scale == 0.0) { dLogits[i] = Part(0); return; }
  let column = (i % u.width) * LANES;
  let isLabel = ${lanes === 1 ? "column" : "vec4<u32>(0, 1, 2, 3) + column"} == ${lanes === 1 ? "u32(labels[row])" : "vec4<u32>(u32(labels[row]))"};
  dLogits[i] = scale * (exp(logProbs[i]) - select(Part(0), Part(1), isLabel));`,
};

/** @file AdamW, in place, in the order of operations of `adamwStep` (train/adamw.ts). */
import { dispatchElements, type ElementKernel } from "./elementwise.ts";
import { forgetHostCopy } from "./in-place.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { lanesOf, numberOf, sizeOf, tensorOf } from "./parts.ts";

export const adamw: WebGpuKernel = (call) => {
  const [parameter, gradient, first, second] = [tensorOf(call, "parameter"), tensorOf(call, "gradient"), tensorOf(call, "first"), tensorOf(call, "second")];
  const [beta1, beta2, learningRate, step] = [numberOf(call, "beta1"), numberOf(call, "beta2"), numberOf(call, "learningRate"), numberOf(call, "step")];
  const size = sizeOf(parameter);
  const lanes = lanesOf(size);
  dispatchElements(call.backend, ADAMW, {
    lanes,
    parts: size / lanes,
    buffers: { parameter, gradient, first, second },
    // In doubles: 1 - beta ** step is all cancellation in the first steps.
    uniforms: {
      beta1,
      beta2,
      newShare1: 1 - beta1,
      newShare2: 1 - beta2,
      kept: 1 - learningRate * numberOf(call, "weightDecay"),
      stepSize: learningRate / (1 - beta1 ** step),
      secondScale: 1 / Math.sqrt(1 - beta2 ** step),
      epsilon: numberOf(call, "epsilon"),
      gradientScale: numberOf(call, "gradientScale"),
    },
  });
  forgetHostCopy(call.backend, parameter.dataId, first.dataId, second.dataId);
  return [];
};

const ADAMW: ElementKernel<"beta1" | "beta2" | "newShare1" | "newShare2" | "kept" | "stepSize" | "secondScale" | "epsilon" | "gradientScale"> = {
  name: "adamw",
  reads: { gradient: "part" },
  writes: { parameter: "part", first: "part", second: "part" },
  uniforms: { beta1: "f32", beta2: "f32", newShare1: "f32", newShare2: "f32", kept: "f32", stepSize: "f32", secondScale: "f32", epsilon: "f32", gradientScale: "f32" },
  body: () => `
  let g = gradient[i] * u.gradientScale;
  let m = u.beta1 * first[i] + u.newShare1 * g;
  let v = u.beta2 * second[i] + u.newShare2 * g * g;
  first[i] = m;
  second[i] = v;
  parameter[i] = parameter[i] * u.kept - (u.stepSize * m) / (sqrt(v) * u.secondScale + u.epsilon);`,
};

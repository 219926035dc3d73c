/** @file RMSNorm and LayerNorm over the last axis, and their gradients in x. A row's second reading comes from the cache. */
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { freshTensor } from "./dispatch.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { numberOf, tensorOf } from "./parts.ts";
import { dispatchRows, type RowKernel } from "./rowwise.ts";

export const rmsNorm: WebGpuKernel = (call) => {
  const [x, weight] = [tensorOf(call, "x"), tensorOf(call, "weight")];
  const [y, inverse] = [freshTensor(call.backend, x.shape), freshTensor(call.backend, statisticShape(x))];
  dispatchRows(call.backend, RMS_NORM, { like: x, buffers: { x, weight, y, inverse }, uniforms: { eps: numberOf(call, "eps") } });
  return [y, inverse];
};

export const rmsNormGrad: WebGpuKernel = (call) => {
  const [dy, x, weight, inverse] = [tensorOf(call, "dy"), tensorOf(call, "x"), tensorOf(call, "weight"), tensorOf(call, "inverse")];
  const dx = freshTensor(call.backend, x.shape);
  dispatchRows(call.backend, RMS_NORM_GRAD, { like: x, buffers: { dy, x, weight, inverse, dx }, uniforms: {} });
  return [dx];
};

export const layerNorm: WebGpuKernel = (call) => {
  const [x, weight, bias] = [tensorOf(call, "x"), tensorOf(call, "weight"), tensorOf(call, "bias")];
  const [y, mean, inverse] = [freshTensor(call.backend, x.shape), freshTensor(call.backend, statisticShape(x)), freshTensor(call.backend, statisticShape(x))];
  dispatchRows(call.backend, LAYER_NORM, { like: x, buffers: { x, weight, bias, y, mean, inverse }, uniforms: { eps: numberOf(call, "eps") } });
  return [y, mean, inverse];
};

export const layerNormGrad: WebGpuKernel = (call) => {
  const [dy, x, weight, mean, inverse] = [tensorOf(call, "dy"), tensorOf(call, "x"), tensorOf(call, "weight"), tensorOf(call, "mean"), tensorOf(call, "inverse")];
  const dx = freshTensor(call.backend, x.shape);
  dispatchRows(call.backend, LAYER_NORM_GRAD, { like: x, buffers: { dy, x, weight, mean, inverse, dx }, uniforms: {} });
  return [dx];
};

const SUM = { type: "f32", merged: "return a + b;" } as const;
const EACH_PART = "for (var i = thread; i < u.width; i += THREADS)";

const RMS_NORM: RowKernel<"eps"> = {
  name: "rmsNorm",
  reads: { x: "part", weight: "part" },
  writes: { y: "part", inverse: "f32" },
  uniforms: { eps: "f32" },
  finding: SUM,
  body: () => `
  var squares = 0.0;
  ${EACH_PART} { let value = x[start + i]; squares += total(value * value); }
  let r = inverseSqrt(together(thread, squares) / size + u.eps);
  ${EACH_PART} { y[start + i] = x[start + i] * r * weight[i]; }
  if (thread == 0u) { inverse[row] = r; }`,
};

/** dx = r (g - n mean(g n)) with n = x r and g = dy weight. */
const RMS_NORM_GRAD: RowKernel<never> = {
  name: "rmsNormGrad",
  reads: { dy: "part", x: "part", weight: "part", inverse: "f32" },
  writes: { dx: "part" },
  uniforms: {},
  finding: SUM,
  body: () => `
  let r = inverse[row];
  var product = 0.0;
  ${EACH_PART} { product += total(dy[start + i] * weight[i] * (x[start + i] * r)); }
  let slope = together(thread, product) / size;
  ${EACH_PART} { dx[start + i] = (dy[start + i] * weight[i] - x[start + i] * r * slope) * r; }`,
};

/** The variance is summed around the mean: the mean of squares less the square of the mean would cancel. */
const LAYER_NORM: RowKernel<"eps"> = {
  name: "layerNorm",
  reads: { x: "part", weight: "part", bias: "part" },
  writes: { y: "part", mean: "f32", inverse: "f32" },
  uniforms: { eps: "f32" },
  finding: SUM,
  body: () => `
  var values = 0.0;
  ${EACH_PART} { values += total(x[start + i]); }
  let m = together(thread, values) / size;
  var squares = 0.0;
  ${EACH_PART} { let centred = x[start + i] - m; squares += total(centred * centred); }
  let r = inverseSqrt(together(thread, squares) / size + u.eps);
  ${EACH_PART} { y[start + i] = (x[start + i] - m) * r * weight[i] + bias[i]; }
  if (thread == 0u) { mean[row] = m; inverse[row] = r; }`,
};

/** dx = r (g - mean(g) - n mean(g n)) with n = (x - mean) r and g = dy weight. */
const LAYER_NORM_GRAD: RowKernel<never> = {
  name: "layerNormGrad",
  reads: { dy: "part", x: "part", weight: "part", mean: "f32", inverse: "f32" },
  writes: { dx: "part" },
  uniforms: {},
  finding: { type: "vec2<f32>", merged: "return a + b;" },
  body: () => `
  let m = mean[row];
  let r = inverse[row];
  var sums = vec2<f32>();
  ${EACH_PART} { let g = dy[start + i] * weight[i]; sums += vec2<f32>(total(g), total(g * ((x[start + i] - m) * r))); }
  let means = together(thread, sums) / size;
  ${EACH_PART} { dx[start + i] = (dy[start + i] * weight[i] - means.x - (x[start + i] - m) * r * means.y) * r; }`,
};

/** [..., 1] */
function statisticShape({ shape }: TensorInfo): number[] {
  return [...shape.slice(0, -1), 1];
}

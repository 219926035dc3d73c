/** @file GELU and SwiGLU, and their gradients. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { freshTensor } from "./dispatch.ts";
import { dispatchElements, type ElementKernel } from "./elementwise.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { lanesOf, sizeOf, tensorOf } from "./parts.ts";

export const gelu: WebGpuKernel = (call) => {
  const x = tensorOf(call, "x");
  return run(call.backend, GELU, { x }, x);
};

export const geluGrad: WebGpuKernel = (call) => {
  const x = tensorOf(call, "x");
  return run(call.backend, GELU_GRAD, { dy: tensorOf(call, "dy"), x }, x);
};

export const swiglu: WebGpuKernel = (call) => {
  const gate = tensorOf(call, "gate");
  return run(call.backend, SWIGLU, { gate, up: tensorOf(call, "up") }, gate);
};

/** y is not read: the sigmoid is cheaper computed again than fetched. */
export const swigluGrad: WebGpuKernel = (call) => {
  const gate = tensorOf(call, "gate");
  return run(call.backend, SWIGLU_GRAD, { dy: tensorOf(call, "dy"), gate, up: tensorOf(call, "up") }, gate);
};

/** Results shaped like `like`, in the kernel's order. */
function run(backend: WebGPUBackend, kernel: ElementKernel<never>, inputs: Readonly<Record<string, TensorInfo>>, like: TensorInfo): TensorInfo[] {
  const results = Object.keys(kernel.writes).map((name) => [name, freshTensor(backend, like.shape)] as const);
  const size = sizeOf(like);
  const lanes = lanesOf(size);
  dispatchElements(backend, kernel, { lanes, parts: size / lanes, buffers: { ...inputs, ...Object.fromEntries(results) }, uniforms: {} });
  return results.map(([, tensor]) => tensor);
}

/**
 * 1 - Phi(a) = exp(-a^2/2) (c1 t + c2 t^2 + ...) with t = 1 / (1 + p a), a >= 0: the form of Abramowitz & Stegun 7.1.26 with
 * more terms, fitted here so that neither 1 - Phi(a) nor a (1 - Phi(a)) is off by more than 8e-9 (before rounding to f32).
 */
const TAIL = {
  p: 0.3,
  c: [0.11963764637972941, 0.12063972926833019, 0.10052135854090993, 0.12694384386478444, -0.05139326537003601, 0.20469369155986067, -0.15670104815461075, 0.03565805162231505],
} as const;

/** Beyond it exp(-a^2/2) is 0, and a^2 would overflow at last. */
const FARTHEST = 15;

/** The standard normal's distribution and exp(-x^2/2) at x. */
const NORMAL = `
struct Normal { distribution: Part, bell: Part }
fn normalAt(x: Part) -> Normal {
  let a = min(abs(x), Part(${FARTHEST}));
  let t = 1.0 / (1.0 + ${TAIL.p} * a);
  let bell = exp(-0.5 * a * a);
  let tail = bell * (${TAIL.c.reduceRight((inner, c) => `t * (${c}${inner === "" ? "" : ` + ${inner}`})`, "")});
  return Normal(select(1.0 - tail, tail, x < Part(0)), bell);
}`;

const GELU: ElementKernel<never> = {
  name: "gelu",
  reads: { x: "part" },
  writes: { y: "part" },
  uniforms: {},
  functions: NORMAL,
  body: () => "y[i] = x[i] * normalAt(x[i]).distribution;",
};

/** dx = dy (Phi(x) + x phi(x)). */
const GELU_GRAD: ElementKernel<never> = {
  name: "geluGrad",
  reads: { dy: "part", x: "part" },
  writes: { dx: "part" },
  uniforms: {},
  functions: NORMAL,
  body: () => `
  let at = x[i];
  let normal = normalAt(at);
  dx[i] = dy[i] * (normal.distribution + at * normal.bell * ${1 / Math.sqrt(2 * Math.PI)});`,
};

/** s(x) and 1 - s(x), neither of which overflows or cancels. */
const SIGMOID = `
struct Sigmoid { value: Part, rest: Part }
fn sigmoid(x: Part) -> Sigmoid {
  let e = exp(-abs(x));
  let near = 1.0 / (1.0 + e);
  let isPositive = x >= Part(0);
  return Sigmoid(select(e * near, near, isPositive), select(near, e * near, isPositive));
}`;

const SWIGLU: ElementKernel<never> = {
  name: "swiglu",
  reads: { gate: "part", up: "part" },
  writes: { y: "part" },
  uniforms: {},
  functions: SIGMOID,
  body: () => "y[i] = gate[i] * sigmoid(gate[i]).value * up[i];",
};

/** The gradient of silu(g) = g s is s + g s (1 - s). */
const SWIGLU_GRAD: ElementKernel<never> = {
  name: "swigluGrad",
  reads: { dy: "part", gate: "part", up: "part" },
  writes: { dGate: "part", dUp: "part" },
  uniforms: {},
  functions: SIGMOID,
  body: () => `
  let g = gate[i];
  let d = dy[i];
  let s = sigmoid(g);
  dGate[i] = d * up[i] * (s.value * (1.0 + g * s.rest));
  dUp[i] = d * (g * s.value);`,
};

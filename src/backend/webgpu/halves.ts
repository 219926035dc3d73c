/** @file A matrix of pairs of halves as its numbers, for what does not read halves. */
import { dispatch, freshTensor, type Program, workgroupsFor } from "./dispatch.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { widenCode } from "./matmul-memory.ts";
import { sizeOf, tensorOf } from "./parts.ts";

export const widenHalves: WebGpuKernel = (call) => {
  const halves = tensorOf(call, "halves");
  const [rows = 0, pairs = 0] = halves.shape;
  const weight = freshTensor(call.backend, [rows, 2 * pairs]);
  const quads = sizeOf(halves) / 2;
  dispatch(call.backend, PROGRAM, { buffers: { halves, weight }, uniforms: { quads }, workgroups: workgroupsFor(Math.ceil(quads / THREADS)) });
  return [weight];
};

const THREADS = 64;

const PROGRAM: Program = {
  name: "widenHalves",
  reads: { halves: "vec2<u32>" },
  writes: { weight: "vec4<f32>" },
  uniforms: { quads: "u32" },
  code: () => `
@compute @workgroup_size(${THREADS})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>) {
  let i = flatIndex(group, count) * ${THREADS}u + thread;
  if (i < u.quads) { weight[i] = ${widenCode("halves[i]")}; }
}`,
};

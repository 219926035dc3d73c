/** @file The squares of many tensors' numbers, added up: as many tensors in a dispatch as a shader can bind. */
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { dispatch, freshTensor, type Program } from "./dispatch.ts";
import type { WebGpuKernel } from "./kernels.ts";
import { addByHalves, sizeOf } from "./parts.ts";
import { range } from "./range.ts";

export const squareSums: WebGpuKernel = ({ backend, inputs }) => {
  const rounds = roundsOf(Object.values(inputs));
  const sums = freshTensor(backend, [rounds.reduce((count, { groups }) => count + TOGETHER * groups, 0)]);
  let start = 0;
  for (const { tensors, groups } of rounds) {
    const slots = range(TOGETHER).map((i) => ({ tensor: tensors[i] ?? tensors[0]!, size: i < tensors.length ? sizeOf(tensors[i]!) : 0 }));
    dispatch(backend, PROGRAM, {
      buffers: { ...Object.fromEntries(slots.map(({ tensor }, i) => [`x${i}`, tensor])), sums },
      uniforms: { ...Object.fromEntries(slots.map(({ size }, i) => [`size${i}`, size])), start },
      workgroups: [groups, TOGETHER],
    });
    start += TOGETHER * groups;
  }
  return [sums];
};

interface Round {
  readonly tensors: readonly TensorInfo[];
  /** Workgroups that share a tensor. */
  readonly groups: number;
}

/** Tensors in a dispatch: their sums are one buffer more. */
const TOGETHER = 7;
const THREADS = 256;
/** Numbers that a thread adds up where there are not too many. */
const RUN = 16;
const MOST_GROUPS = 1024;

/** By size: those of a round are given equally many workgroups. */
function roundsOf(tensors: readonly TensorInfo[]): Round[] {
  const bySize = tensors.filter((tensor) => sizeOf(tensor) > 0).sort((a, b) => sizeOf(b) - sizeOf(a));
  return range(Math.ceil(bySize.length / TOGETHER)).map((i) => {
    const round = bySize.slice(TOGETHER * i, TOGETHER * (i + 1));
    return { tensors: round, groups: Math.min(MOST_GROUPS, Math.ceil(sizeOf(round[0]!) / (THREADS * RUN))) };
  });
}

const PROGRAM: Program = {
  name: "squareSums",
  reads: Object.fromEntries(range(TOGETHER).map((i) => [`x${i}`, "f32"])),
  writes: { sums: "f32" },
  uniforms: { ...Object.fromEntries(range(TOGETHER).map((i) => [`size${i}`, "u32" as const])), start: "u32" },
  code: () => `
var<workgroup> found: array<f32, ${THREADS}>;
@compute @workgroup_size(${THREADS})
fn main(@builtin(local_invocation_index) thread: u32, @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>) {
  let first = group.x * ${THREADS}u + thread;
  let step = count.x * ${THREADS}u;
  var sum = 0.0;
  switch group.y {
    ${range(TOGETHER)
      .map((i) => `${i === TOGETHER - 1 ? "default" : `case ${i}u`} { for (var i = first; i < u.size${i}; i += step) { sum = fma(x${i}[i], x${i}[i], sum); } }`)
      .join("\n    ")}
  }
  found[thread] = sum;
  ${addByHalves(THREADS, 1)}
  if (thread == 0u) { sums[u.start + group.y * count.x + group.x] = found[0]; }
}`,
};

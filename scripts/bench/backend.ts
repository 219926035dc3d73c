/** @file The backend that is timed, in the process that times it: asked for by name, so that nothing slower can pass for it. */
import { backend, dispose, getBackend, memory, reshape, scalar, slice, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { hasHostMemory, readFloats } from "../../src/backend/host-memory.ts";
import { selectBackend } from "../../src/backend/select.ts";
import { FROZEN_BASES, type FrozenBase, PRECISIONS } from "../../src/backend/names.ts";
import { BACKEND_VARIABLE, DEFAULT_BACKEND, FROZEN_BASE_VARIABLE, PRECISION_VARIABLE } from "./runs.ts";

export interface TimedBackend {
  readonly device: string;
  readonly isOnGpu: boolean;
}

export async function startBackend(): Promise<TimedBackend> {
  const precision = PRECISIONS.find((known) => known === process.env[PRECISION_VARIABLE]);
  const { device } = await selectBackend(process.env[BACKEND_VARIABLE] ?? DEFAULT_BACKEND, precision);
  return { device, isOnGpu: isOnGpu() };
}

/** How the weights that are not trained are kept. */
export function frozenBase(): FrozenBase {
  return FROZEN_BASES.find((known) => known === process.env[FROZEN_BASE_VARIABLE]) ?? "float32";
}

/** Whether the current backend computes with a GPU's memory, which is scarcer or faster than the machine's. */
export function isOnGpu(): boolean {
  return getBackend() === "webgpu" || Reflect.get(backend(), "isUsingGpuDevice") === true;
}

/** Waits until the device has computed `tensor`, by reading one number of it. @throws what went wrong on the device. */
export async function computed(tensor: Tensor): Promise<void> {
  if (hasHostMemory()) return;
  const one = tidy(() => slice(reshape(tensor, [-1]), 0, 1));
  try {
    await readFloats(one);
  } finally {
    dispose(one);
  }
}

/** Waits until the device has done all it was given. @throws what went wrong on it. */
export async function idleDevice(): Promise<void> {
  const last = scalar(0);
  await computed(last);
  dispose(last);
}

/** Megabytes that the backend has allocated on the GPU, its pool included; null where it does not tell. */
export function gpuMemoryMb(): number | null {
  const bytes: unknown = Reflect.get(memory(), "numBytesAllocatedInGPU");
  return typeof bytes === "number" ? bytes / 1e6 : null;
}

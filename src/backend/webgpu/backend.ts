/**
 * @file The tfjs backend `webgpu`: tfjs's own on a device of ours, with kernels of ours where tfjs's are wrong, slow or
 * missing. Nothing is read back synchronously: numbers leave the device through `readFloats`.
 */
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { backend as tfBackend, type DataId, env, findBackendFactory, registerBackend, registerKernel, removeBackend, unregisterKernel } from "@tensorflow/tfjs-core";
import { invariant } from "../../core/errors.ts";
import { registerDevice } from "../devices.ts";
import { gpuMemory, type Memory } from "../gpu-memory.ts";
import { isSoftware } from "./adapter.ts";
import { createBuffers } from "./buffers.ts";
import { openDevice, type OpenDevice } from "./device.ts";
import type { Precision } from "../names.ts";
import { forgetHostCopy } from "./in-place.ts";
import { OWN_KERNELS, REPLACED_KERNELS, type WebGpuKernel } from "./kernels.ts";
import { useMatrixUnits } from "./precision.ts";
import { forgetBindGroups } from "./queue.ts";
import { queueStockPrograms } from "./stock-programs.ts";

export const WEBGPU = "webgpu";

/**
 * Opens a device and registers the backend on it.
 *
 * @param wanted - part of the adapter's name; undefined: the fastest that is a GPU.
 * @param precision - of large products; any but single needs matrix units.
 * @throws UserError - SystemError when there is no such adapter, or only software; ConfigError without matrix units.
 */
export async function registerWebGpuBackend(wanted: string | undefined, precision: Precision = "single"): Promise<OpenDevice & { readonly memory: Memory | undefined }> {
  const open = await openDevice(wanted);
  if (precision !== "single") useMatrixUnits(open, precision);
  env().set("WEBGPU_CPU_FORWARD", false);
  // tfjs registers a factory of its own where `navigator.gpu` exists on import.
  // tfjs's declaration leaves out that there may be none.
  const factory: unknown = findBackendFactory(WEBGPU);
  if (factory !== undefined && factory !== null) removeBackend(WEBGPU);
  const memory = isSoftware(open.info) ? undefined : await gpuMemory(open.description, open.info);
  registerBackend(WEBGPU, () => backendOn(open, memory?.bytes), 3);
  registerDevice(WEBGPU, { failure: open.failure, forgetCopy });
  registerOwnKernels();
  return { ...open, memory };
}

/** Of a card's memory; the rest is the driver's, and of what rounding up the sizes of buffers takes. */
const POOL_SHARE = 0.9;

function backendOn({ device, info }: OpenDevice, cardBytes = Infinity): WebGPUBackend {
  const backend = new WebGPUBackend(device, info);
  // The pool of tfjs's never frees a buffer; what it and ours have in common is all that the backend calls.
  backend.bufferManager = createBuffers(device, { onFreed: () => forgetBindGroups(device), most: POOL_SHARE * cardBytes }) as WebGPUBackend["bufferManager"];
  queueStockPrograms(backend);
  return backend;
}

function forgetCopy(dataId: DataId): void {
  const current = tfBackend();
  if (current instanceof WebGPUBackend) forgetHostCopy(current, dataId);
}

let isRegistered = false;

function registerOwnKernels(): void {
  if (isRegistered) return;
  isRegistered = true;
  for (const kernelName of Object.keys(REPLACED_KERNELS)) unregisterKernel(kernelName, WEBGPU);
  for (const [kernelName, kernel] of Object.entries<WebGpuKernel>({ ...OWN_KERNELS, ...REPLACED_KERNELS })) {
    registerKernel({
      kernelName,
      backendName: WEBGPU,
      kernelFunc: ({ inputs, attrs, backend }) => {
        invariant(backend instanceof WebGPUBackend, () => `kernel ${kernelName} was called with another backend`);
        const given = Object.fromEntries(Object.entries(inputs).flatMap(([name, info]) => (info === undefined ? [] : [[name, info]])));
        return kernel({ backend, inputs: given, attributes: attrs ?? {} });
      },
    });
  }
}

/** @file What kernels that change their inputs owe tfjs, to whom a tensor's numbers never change. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { TensorInfo } from "@tensorflow/tfjs-core";

/** tfjs keeps the numbers of a tensor that was read, and answers with them from then on. */
export function forgetHostCopy(backend: WebGPUBackend, ...tensors: readonly TensorInfo[]): void {
  for (const { dataId } of tensors) Object.assign(backend.tensorMap.get(dataId), { values: null });
}

/** @file What tfjs is told of tensors whose numbers change, or shall not stay in this process: it keeps those of a tensor that was read. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { DataId } from "@tensorflow/tfjs-core";

/** Drops the copy that tfjs would answer with from then on; numbers that are on the device alone stay there, those that are not stay here. */
export function forgetHostCopy({ tensorMap }: Pick<WebGPUBackend, "tensorMap">, ...ids: readonly DataId[]): void {
  for (const data of ids.map((id) => tensorMap.get(id))) if (data.resource instanceof GPUBuffer) Object.assign(data, { values: null });
}

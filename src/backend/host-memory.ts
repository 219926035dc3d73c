/** @file Tensors whose numbers lie in this process's memory, read where they are. */
import { backend, type Tensor } from "@tensorflow/tfjs-core";
import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";

/**
 * The numbers of a float32 tensor: the very memory where the backend keeps them, or a copy where they are on a device.
 * Valid until the tensor is disposed; unlike `dataSync`, reading does not take the memory out of use.
 */
export function borrowFloats(tensor: Tensor): Float32Array {
  return hostFloats(tensor) ?? tensor.dataSync<"float32">();
}

/** The memory where the backend keeps a tensor's numbers, to be changed in place; undefined where they are on a device. */
export function hostFloats(tensor: Tensor): Float32Array | undefined {
  const current = backend();
  if (!(current instanceof MathBackendCPU)) return undefined;
  const { values } = current.data.get(tensor.dataId);
  return values instanceof Float32Array ? values : undefined;
}

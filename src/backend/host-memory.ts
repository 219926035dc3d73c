/** @file Numbers of tensors: read where they are if that is this process's memory, fetched if they are on a device. */
import { backend, getBackend, type Tensor } from "@tensorflow/tfjs-core";
import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import { invariant } from "../core/errors.ts";
import { currentDevice } from "./devices.ts";

/**
 * The numbers of a float32 tensor: the very memory where the backend keeps them there, to be read until the tensor is
 * disposed; else fetched from the device, which waits until it has caught up.
 *
 * @throws what went wrong on the device, if anything did: its numbers mean nothing then.
 */
export async function readFloats(tensor: Tensor): Promise<Float32Array> {
  return hasHostMemory() ? borrowFloats(tensor) : fetchFloats(tensor);
}

async function fetchFloats(tensor: Tensor): Promise<Float32Array> {
  const device = currentDevice();
  const values = await tensor.data<"float32">().catch((error: unknown) => {
    throw device?.failure() ?? error;
  });
  const failure = device?.failure();
  if (failure !== undefined) throw failure;
  device?.forgetCopy?.(tensor.dataId);
  return values;
}

/** Whether the current backend keeps its numbers in this process's memory. */
export function hasHostMemory(): boolean {
  return backend() instanceof MathBackendCPU;
}

/** As `readFloats`, at once; only where `hasHostMemory()`. Unlike `dataSync`, reading does not take the memory out of use. */
export function borrowFloats(tensor: Tensor): Float32Array {
  invariant(hasHostMemory(), () => `the backend ${getBackend()} has no numbers in this process's memory: they are to be read by readFloats`);
  return hostFloats(tensor) ?? tensor.dataSync<"float32">();
}

/** The memory where the backend keeps a tensor's numbers, to be changed in place; undefined where they are on a device. */
export function hostFloats(tensor: Tensor): Float32Array | undefined {
  const current = backend();
  if (!(current instanceof MathBackendCPU)) return undefined;
  const { values } = current.data.get(tensor.dataId);
  return values instanceof Float32Array ? values : undefined;
}

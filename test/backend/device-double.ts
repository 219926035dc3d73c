/**
 * @file A backend like a GPU's: its numbers can only be read asynchronously, and every read is counted. It computes with
 * tfjs's CPU kernels on memory of its own, so that what comes out is what the backend `cpu` gives.
 */
import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import { type backend_util, type DataId, type DataType, getKernelsForBackend, KernelBackend, registerBackend, registerKernel, setBackend, tensor, type TensorInfo, unregisterKernel } from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { type Device, registerDevice } from "../../src/backend/devices.ts";
import { type ScalarLists, scalarsOf } from "../../src/backend/adamw-kernel.ts";
import type { OwnKernel } from "../../src/backend/own-kernels.ts";
import type { ParamStore } from "../../src/model/params.ts";
import { adamwStep } from "../../src/train/adamw.ts";
import { useCpuBackend } from "../model/support.ts";

const NAME = "device-double";

/** tfjs asks for an instance of its class. */
class DeviceDouble extends KernelBackend {
  readonly memoryOfDevice = new MathBackendCPU();
  reads = 0;

  override async read(dataId: DataId): Promise<backend_util.BackendValues> {
    this.reads += 1;
    await new Promise((resolve) => setImmediate(resolve));
    return this.floats(dataId).slice();
  }

  override readSync(): never {
    throw new Error("a device was asked to answer at once");
  }

  floats(dataId: DataId): Float32Array | Int32Array {
    return this.memoryOfDevice.data.get(dataId).values as Float32Array | Int32Array;
  }

  override write(values: backend_util.BackendValues, shape: number[], dtype: DataType): DataId {
    return this.memoryOfDevice.write(values instanceof Float32Array ? values.slice() : values, shape, dtype);
  }

  override move(dataId: DataId, values: backend_util.BackendValues, shape: number[], dtype: DataType, refCount: number): void {
    this.memoryOfDevice.move(dataId, values, shape, dtype, refCount);
  }

  override disposeData(dataId: DataId, force?: boolean): boolean {
    return this.memoryOfDevice.disposeData(dataId, force);
  }

  override refCount(dataId: DataId): number {
    return this.memoryOfDevice.refCount(dataId);
  }

  override incRef(dataId: DataId): void {
    this.memoryOfDevice.incRef(dataId);
  }

  override numDataIds(): number {
    return this.memoryOfDevice.numDataIds();
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  override epsilon(): number {
    return this.memoryOfDevice.epsilon();
  }

  override floatPrecision(): 32 {
    return 32;
  }
}

let double: DeviceDouble | undefined;

export interface UsedDouble {
  /** Since `useDeviceDouble`. */
  readonly reads: () => number;
}

interface DoubleOptions {
  /** Whether it has the kernels of ours that change their inputs. */
  readonly ownKernels: boolean;
  /** Weights on the backend `cpu` that move to it. */
  readonly params?: ParamStore;
  readonly device?: Partial<Device>;
}

/** Makes it the current backend. */
export async function useDeviceDouble({ ownKernels, params, device = {} }: DoubleOptions): Promise<UsedDouble> {
  await useCpuBackend();
  const weights = params?.names().map((name) => ({ name, values: params.get(name).dataSync(), shape: params.get(name).shape }));
  const current = (double ??= registerDouble());
  for (const [name, run] of Object.entries(OWN_KERNELS)) {
    unregisterIfThere(name);
    if (ownKernels) registerKernel({ kernelName: name, backendName: NAME, kernelFunc: ({ inputs, attrs }) => run(current, inputs as Record<string, TensorInfo>, attrs ?? {}) });
  }
  registerDevice(NAME, { failure: () => undefined, ...device });
  expect(await setBackend(NAME)).toBe(true);
  for (const { name, values, shape } of weights ?? []) params?.set(name, tensor(values, shape));
  const before = current.reads;
  return { reads: () => current.reads - before };
}

function registerDouble(): DeviceDouble {
  const made = new DeviceDouble();
  registerBackend(NAME, () => made);
  for (const { kernelName, kernelFunc } of getKernelsForBackend("cpu")) {
    registerKernel({ kernelName, backendName: NAME, kernelFunc: (call) => kernelFunc({ ...call, backend: made.memoryOfDevice }) });
  }
  return made;
}

function unregisterIfThere(kernelName: string): void {
  if (getKernelsForBackend(NAME).some((kernel) => kernel.kernelName === kernelName)) unregisterKernel(kernelName, NAME);
}

type InPlace = (device: DeviceDouble, inputs: Readonly<Record<string, TensorInfo>>, attributes: object) => [];

const OWN_KERNELS: Readonly<Partial<Record<OwnKernel, InPlace>>> = {
  AdamW: (device, inputs, attributes) => {
    const numbers = Object.values(inputs).map(({ dataId }) => device.floats(dataId) as Float32Array);
    for (const [i, scalars] of scalarsOf(attributes as ScalarLists).entries()) {
      const [parameter, gradient, first, second] = numbers.slice(4 * i);
      adamwStep({ parameter: parameter!, gradient: gradient!, first: first!, second: second! }, scalars);
    }
    return [];
  },
  CopyRows: (device, { source, target, from, to }) => {
    const width = source!.shape.at(-1)!;
    const [read, written, rows, places] = [source, target, from, to].map((info) => device.floats(info!.dataId));
    rows!.forEach((row, i) => written!.set(read!.subarray(row * width, (row + 1) * width), places![i]! * width));
    return [];
  },
};

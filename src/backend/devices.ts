/** @file What reading numbers from a device has to know of it; backends that compute on one tell it here. */
import { type DataId, getBackend } from "@tensorflow/tfjs-core";

export interface Device {
  /** What went wrong on the device so far; nothing that it computed since can be trusted. */
  readonly failure: () => Error | undefined;
  /** Called after a read: drops the copy that tfjs keeps of what was read, which would hold all saved weights in this process's memory. */
  readonly forgetCopy?: (dataId: DataId) => void;
}

const devices = new Map<string, Device>();

/** Called by a backend when it is registered, and again when it is on another device. */
export function registerDevice(backendName: string, device: Device): void {
  devices.set(backendName, device);
}

/** The current backend's device; undefined where it told of none. */
export function currentDevice(): Device | undefined {
  return devices.get(getBackend());
}

/** @file How exactly a device multiplies matrices. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import type { MatrixUnitMode } from "./matrix-unit-program.ts";

const modes = new WeakMap<GPUDevice, MatrixUnitMode>();

/** Has large products of this device computed by its matrix units from now on; see `hasMatrixUnits`. */
export function useMatrixUnits(device: GPUDevice, mode: MatrixUnitMode): void {
  modes.set(device, mode);
}

/** Undefined: single precision throughout. */
export function matrixUnitMode({ device }: WebGPUBackend): MatrixUnitMode | undefined {
  return modes.get(device);
}

/** Whether the device multiplies 16 x 16 halves into single precision, in subgroups of 32. */
export function hasMatrixUnits(device: GPUDevice, info: GPUAdapterInfo): boolean {
  const wanted = ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix"];
  return wanted.every((name) => device.features.has(name)) && info.subgroupMinSize === 32 && info.subgroupMaxSize === 32 && hasHalves(info);
}

interface MatrixConfig {
  readonly componentType: string;
  readonly resultType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

function hasHalves(info: GPUAdapterInfo): boolean {
  // An experiment of Dawn's, in nobody's types.
  const configs: unknown = Reflect.get(info, "subgroupMatrixConfigs");
  if (typeof configs !== "object" || configs === null) return false;
  return [...(configs as Iterable<MatrixConfig>)].some(({ componentType, resultType, M, N, K }) => componentType === "f16" && resultType === "f32" && M === 16 && N === 16 && K === 16);
}

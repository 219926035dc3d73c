/** @file How exactly a device multiplies matrices. */
import type { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { UserError } from "../../core/errors.ts";
import type { OpenDevice } from "./device.ts";
import type { MatrixUnitMode } from "./matrix-unit-program.ts";

const modes = new WeakMap<GPUDevice, MatrixUnitMode>();

/**
 * Has large products of this device computed by its matrix units from now on.
 *
 * @throws UserError - ConfigError when it has none that this program can use.
 */
export function useMatrixUnits({ device, info, description }: Pick<OpenDevice, "device" | "info" | "description">, mode: MatrixUnitMode): void {
  if (!hasMatrixUnits(device, info)) {
    throw new UserError({ kind: "ConfigError", where: "precision", what: `${description} offers no matrix units for halves in subgroups of 32. Got "${mode}", expected "single"`, hint: "Leave precision out." });
  }
  modes.set(device, mode);
}

/** Undefined: single precision throughout. */
export function matrixUnitMode({ device }: Pick<WebGPUBackend, "device">): MatrixUnitMode | undefined {
  return modes.get(device);
}

/** Whether the device multiplies 16 x 16 halves into single precision, in subgroups of 32. */
export function hasMatrixUnits(device: GPUDevice, info: GPUAdapterInfo): boolean {
  const wanted = ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix"];
  return wanted.every((name) => device.features.has(name)) && info.subgroupMinSize === 32 && info.subgroupMaxSize === 32 && hasHalves(info);
}

interface MatrixConfig {
  readonly componentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

function hasHalves(info: GPUAdapterInfo): boolean {
  // An experiment of Dawn's, in nobody's types.
  const configs: unknown = Reflect.get(info, "subgroupMatrixConfigs");
  if (typeof configs !== "object" || configs === null) return false;
  return [...(configs as Iterable<MatrixConfig>)].some(({ componentType, M, N, K }) => componentType === "f16" && M === 16 && N === 16 && K === 16);
}

/** @file Whether this machine has a GPU at all, told from its device files: no driver is loaded, nothing is printed. */
import { readdirSync } from "node:fs";

/** Of Linux: Mesa's drivers, NVIDIA's, Windows' GPU in WSL, Adreno, Mali. */
const DEVICE_FILES = [
  { folder: "/dev/dri", file: /^renderD\d+$/ },
  { folder: "/dev", file: /^(nvidia\d+|dxg|kgsl-3d0|mali\d+)$/ },
] as const;

export interface Machine {
  readonly platform: NodeJS.Platform;
  /** Names in a folder; empty when there is no such folder. */
  readonly list: (folder: string) => readonly string[];
}

export const THIS_MACHINE: Machine = { platform: process.platform, list: listFolder };

/** The device files of GPUs; undefined where the system has none such (macOS, Windows) and only a driver knows. */
export function gpuFiles({ platform, list }: Machine = THIS_MACHINE): readonly string[] | undefined {
  if (platform !== "linux") return undefined;
  return DEVICE_FILES.flatMap(({ folder, file }) => list(folder).filter((name) => file.test(name)).map((name) => `${folder}/${name}`));
}

/** Where the Vulkan loader looks for drivers, and where containers have NVIDIA's. */
const DRIVER_FOLDERS = ["/etc/vulkan/icd.d", "/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/usr/local/nvidia/share/vulkan/icd.d"];

/** Where NVIDIA's driver is described to the Vulkan loader, the usual places first; empty where it is not, or on another system. */
export function nvidiaDriverFiles({ platform, list }: Machine = THIS_MACHINE): readonly string[] {
  return platform === "linux" ? DRIVER_FOLDERS.flatMap((folder) => list(folder).filter((name) => /^nvidia_icd.*\.json$/.test(name)).map((name) => `${folder}/${name}`)) : [];
}

/** False where it is certain that there is no GPU. */
export function mayHaveGpu(machine: Machine = THIS_MACHINE): boolean {
  return gpuFiles(machine)?.length !== 0;
}

function listFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

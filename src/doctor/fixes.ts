/** @file The one command that fixes a problem, on this system. */
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export interface System {
  readonly platform: NodeJS.Platform;
  /** Whether a program is on the PATH. */
  readonly has: (program: string) => boolean;
}

export const THIS_SYSTEM: System = { platform: process.platform, has: isOnPath };

export const INSTALL_AGAIN = "npm ci --include=optional";

export function nodeFix({ platform }: System): string {
  if (platform === "win32") return "winget install OpenJS.NodeJS.LTS";
  return platform === "darwin" ? "brew install node@22" : "sudo npx --yes n 22";
}

/** npm's packages hold programs for the usual systems; a system's own are faster. */
export function ffmpegFix(system: System): string {
  return installWith(system, { "apt-get": "ffmpeg", dnf: "ffmpeg-free", pacman: "ffmpeg", brew: "ffmpeg", winget: "ffmpeg" }) ?? INSTALL_AGAIN;
}

/** The Vulkan loader and driver of the GPUs that are there. */
export function gpuDriverFix(system: System, gpuFiles: readonly string[]): string {
  if (gpuFiles.some((file) => file.startsWith("/dev/nvidia"))) {
    // The driver's Vulkan part has the kernel module's version, which stands there.
    return installWith(system, { "apt-get": "libvulkan1 libnvidia-gl-$(cut -d. -f1 /sys/module/nvidia/version)", dnf: "vulkan-loader nvidia-driver-libs", pacman: "vulkan-icd-loader nvidia-utils" }) ?? LIST_DRIVERS;
  }
  return installWith(system, { "apt-get": "libvulkan1 mesa-vulkan-drivers", dnf: "vulkan-loader mesa-vulkan-drivers", pacman: "vulkan-icd-loader vulkan-radeon vulkan-intel" }) ?? LIST_DRIVERS;
}

/** What NVIDIA's driver, described by `driverFile`, needs of others. */
export function glvndFix(system: System, driverFile: string): string {
  const install = installWith(system, { "apt-get": "libvulkan1 libegl1 libgl1 libglx0 libopengl0 libx11-6 libxext6", dnf: "vulkan-loader libglvnd-egl libglvnd-glx libglvnd-opengl", pacman: "vulkan-icd-loader libglvnd libxext" }) ?? LIST_DRIVERS;
  // The loader does not look there.
  return driverFile.startsWith("/usr/local/nvidia/") ? `export VK_DRIVER_FILES=${quoted(driverFile)}; ${install}` : install;
}

const LIST_DRIVERS = "vulkaninfo --summary";

/** A libtensorflow inside a Python installation, linked to tfjs-node. */
export const LINK_TENSORFLOW = `scripts/link-tensorflow.sh "$(python3 -c 'import importlib.util as u; print(u.find_spec("tensorflow").submodule_search_locations[0])')"`;

export function anotherBackend(name: string): string {
  return `npx m2se train --config FILE --stage all --backend ${name}`;
}

export function freeSpace(folder: string): string {
  return `du -xsh ${quoted(folder)}/* | sort -h`;
}

export function makeWritable(folder: string): string {
  return `sudo chown -R "$(id -u)" ${quoted(folder)}`;
}

type Manager = keyof typeof MANAGERS;
const MANAGERS = {
  "apt-get": "sudo apt-get install",
  dnf: "sudo dnf install",
  pacman: "sudo pacman -S",
  brew: "brew install",
  winget: "winget install",
} as const;

/** With the first package manager that is there. */
function installWith({ has }: System, packages: Readonly<Partial<Record<Manager, string>>>): string | undefined {
  const managers = Object.keys(MANAGERS) as Manager[];
  const manager = managers.find((name) => packages[name] !== undefined && has(name));
  return manager === undefined ? undefined : `${MANAGERS[manager]} ${packages[manager]}`;
}

/** For a shell, as it stands where that is safe. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

function isOnPath(program: string): boolean {
  const names = process.platform === "win32" ? [`${program}.exe`] : [program];
  return (process.env["PATH"] ?? "").split(delimiter).some((folder) => names.some((name) => isExecutable(join(folder, name))));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** @file DeviceLimits: the memory that a started backend has, and the largest tensor that it can hold. Asked for before weights are loaded. */
import { type Memory, type MemorySources, THIS_MACHINE } from "./gpu-memory.ts";
import type { ActiveBackend } from "./select.ts";

export interface DeviceLimits {
  /** What the numbers are of, e.g. "webgpu (NVIDIA H200)" or "this machine". */
  readonly of: string;
  /** Bytes, and who says so; absent where nothing tells how much a GPU has. */
  readonly memory?: Memory;
  /** Bytes; absent: no limit below the memory's. */
  readonly largestTensor?: number;
}

/** Of a GPU what its start found; of software and of a CPU the machine's memory. */
export function deviceLimits({ name, device, gpu }: Pick<ActiveBackend, "name" | "device" | "gpu">, sources: HostSources = THIS_MACHINE): DeviceLimits {
  const memory = gpu === undefined || gpu.isSoftware === true ? hostMemory(sources) : gpu.memory;
  return {
    of: `${name} (${device})`,
    ...(memory === undefined ? {} : { memory }),
    ...(gpu?.largestTensor === undefined ? {} : { largestTensor: gpu.largestTensor }),
  };
}

/** Of this machine without any backend. */
export function hostLimits(sources: HostSources = THIS_MACHINE): DeviceLimits {
  return { of: "this machine", memory: hostMemory(sources) };
}

type HostSources = Pick<MemorySources, "read" | "totalBytes">;

/** Limits of a container, in the two versions of Linux's control groups; "max", or a number beyond the machine's, is none. */
const CONTAINER_LIMITS = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/** What this process may use: the machine's memory, or less in a container. */
export function hostMemory({ read, totalBytes }: HostSources = THIS_MACHINE): Memory {
  const machine = totalBytes();
  const container = Math.min(...CONTAINER_LIMITS.map((path) => Number(read(path) ?? Number.NaN)).filter((bytes) => bytes > 0));
  return container < machine ? { bytes: container, source: "the container's limit" } : { bytes: machine, source: "the system's memory" };
}

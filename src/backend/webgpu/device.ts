/** @file A GPU device through Dawn, the WebGPU implementation inside the npm package `webgpu`. */
import { UserError } from "../../core/errors.ts";
import { describeAdapter, isSoftware, requestAdapter } from "./adapter.ts";

export interface OpenDevice {
  readonly device: GPUDevice;
  readonly info: GPUAdapterInfo;
  /** For people, e.g. "NVIDIA H100 80GB HBM3 (Vulkan)". */
  readonly description: string;
  /** What went wrong on the device since it was opened; nothing that it computed afterwards can be trusted. */
  readonly failure: () => UserError | undefined;
}

/** Asked for where the adapter has them. */
const FEATURES = ["shader-f16", "subgroups", "timestamp-query", "chromium-experimental-subgroup-matrix"] as const;

/** Raised to what the adapter has: the defaults allow buffers of 256 MiB and eight of them in a shader. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/**
 * Opens the adapter whose name contains `wanted`, or the fastest GPU.
 *
 * @throws UserError - SystemError without such an adapter, or when the only one is software and was not named.
 */
export async function openDevice(wanted: string | undefined): Promise<OpenDevice> {
  const adapter = await requestAdapter(wanted);
  const description = describeAdapter(adapter.info);
  if (isSoftware(adapter.info) && wanted === undefined) {
    throw new UserError({
      kind: "SystemError",
      where: "backend webgpu",
      what: `the only adapter is software (${description}), thousands of times slower than a GPU`,
      hint: `Install the driver of your GPU (m2se doctor says what is found), use --backend onnxruntime, or name it: --backend webgpu:${nameOf(adapter.info)}.`,
    });
  }
  const device = await adapter.requestDevice({
    // The name of an experiment of Dawn's is in nobody's types.
    requiredFeatures: FEATURES.filter((name) => adapter.features.has(name)) as GPUFeatureName[],
    requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
  });
  return { device, info: adapter.info, description, failure: watch(device, description) };
}

/** WebGPU reports errors as events and goes on with whatever is in memory. */
function watch(device: GPUDevice, description: string): () => UserError | undefined {
  let failure: UserError | undefined;
  device.addEventListener("uncapturederror", (event) => {
    // Else Dawn prints it on the standard output.
    event.preventDefault();
    failure ??= deviceFailure(event.error, description);
  });
  void device.lost.then(({ message }) => {
    failure ??= lostDevice(message, description);
  });
  return () => failure;
}

function deviceFailure(error: GPUError, description: string): UserError {
  const isFull = error instanceof GPUOutOfMemoryError;
  return new UserError({
    kind: "SystemError",
    where: `backend webgpu (${description})`,
    what: isFull ? `the GPU's memory is full: ${firstLine(error.message)}` : `the device refused a command: ${firstLine(error.message)}`,
    hint: isFull ? "Use a smaller budget.rowTokens or budget.gradientCheckpointing: true, and go on with --resume." : "This is a fault of the program or the driver: update the driver, or use --backend onnxruntime.",
  });
}

function lostDevice(message: string, description: string): UserError {
  return new UserError({
    kind: "SystemError",
    where: `backend webgpu (${description})`,
    what: `the device was lost: ${firstLine(message) || "no reason given"}`,
    hint: "Checkpoints are whole: go on with --resume. If it happens again, the driver's log says more.",
  });
}

/** Without the full stop: the sentence goes on. */
function firstLine(text: string): string {
  return (text.split("\n", 1)[0] ?? "").replace(/\.$/, "");
}

function nameOf({ device, vendor }: GPUAdapterInfo): string {
  return device || vendor;
}

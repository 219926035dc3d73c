/** @file Which GPU: the adapters that Dawn finds, through Vulkan, Metal or Direct3D. */
import { UserError } from "../../core/errors.ts";
import { importDawn } from "./dawn.ts";

/** Renderers without a GPU, by what their drivers call themselves. */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render|softpipe/i;

/**
 * The adapter whose name contains `wanted`, or the one that the driver recommends for speed.
 *
 * @throws UserError - SystemError when there is none, with what is there.
 */
export async function requestAdapter(wanted: string | undefined): Promise<GPUAdapter> {
  const gpu = await loadDawn(wanted === undefined ? [] : [`adapter=${wanted}`]);
  const adapter = await ask(gpu, wanted);
  if (adapter !== null) return adapter;
  const found = wanted === undefined ? undefined : await ask(await loadDawn([]), undefined);
  throw new UserError({
    kind: "SystemError",
    where: "backend webgpu",
    what: wanted === undefined ? "no GPU driver was found (Vulkan, Metal or Direct3D 12)" : `no adapter's name contains "${wanted}"${found === undefined || found === null ? "" : `; found: ${describeAdapter(found.info)}`}`,
    hint: "m2se doctor says what is missing; --backend onnxruntime needs no GPU.",
  });
}

/** Dawn throws where the name matches nothing, and resolves null where there is no driver. */
async function ask(gpu: GPU, wanted: string | undefined): Promise<GPUAdapter | null> {
  try {
    return await gpu.requestAdapter({ powerPreference: "high-performance" });
  } catch (error) {
    if (wanted === undefined) throw error;
    return null;
  }
}

/** Whether the adapter computes on the CPU. */
export function isSoftware(info: GPUAdapterInfo): boolean {
  return info.isFallbackAdapter || SOFTWARE.test(`${info.device} ${info.architecture} ${info.description} ${info.vendor}`);
}

/** For people: name and driver. */
export function describeAdapter({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  const name = device || description || `${vendor} ${architecture}`.trim();
  return description === "" || description === name ? name : `${name}, ${description}`;
}

/** Our shaders, and those of tfjs's that run, write a workgroup's memory before they read it: zeros first are time lost, above all for compilers. */
const TOGGLES = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia", "disable_workgroup_init"];

/** When Node collects one, its adapters and devices crash the process. */
const alive: GPU[] = [];

/** Starts Dawn and puts it where tfjs looks for it. */
async function loadDawn(options: readonly string[]): Promise<GPU> {
  const { create } = await importDawn();
  const gpu = create([`enable-dawn-features=${TOGGLES.join()}`, ...options]);
  alive.push(gpu);
  // Node 20 has no navigator.
  const navigator: unknown = Reflect.get(globalThis, "navigator");
  if (typeof navigator === "object" && navigator !== null) Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
  else Object.defineProperty(globalThis, "navigator", { value: { gpu, userAgent: "node" }, configurable: true });
  return gpu;
}

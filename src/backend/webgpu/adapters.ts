/** @file All adapters of this machine. WebGPU hands out one; Dawn names all of them when it is asked for one that does not exist. */
import { UserError } from "../../core/errors.ts";
import { isSoftware, requestAdapter } from "./adapter.ts";
import { importDawn } from "./dawn.ts";

export interface NamedAdapter {
  /** The native name, of which a part chooses it. */
  readonly name: string;
  /** `vulkan`, `metal`, `d3d12`. */
  readonly api: string;
}

export interface AdapterFacts extends NamedAdapter {
  /** It computes on the CPU. */
  readonly software: boolean;
  readonly vendor: string;
  readonly architecture: string;
  /** In the driver's words, with its version. */
  readonly driver: string;
  /** Bytes. */
  readonly maxBufferSize: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxComputeWorkgroupStorageSize: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly features: readonly string[];
}

/** Every adapter with what it offers, in Dawn's order; empty without a driver. */
export async function listAdapters(): Promise<readonly AdapterFacts[]> {
  const facts: AdapterFacts[] = [];
  for (const adapter of await adapterNames()) facts.push(await factsOf(adapter));
  return facts;
}

/** Every adapter of every driver, in Dawn's order, each name once; empty without a driver. */
export async function adapterNames(): Promise<readonly NamedAdapter[]> {
  const { create } = await importDawn();
  try {
    await create(["adapter=\u0001no such name"]).requestAdapter();
    return [];
  } catch (error) {
    return parseAdapterNames(error instanceof Error ? error.message : String(error));
  }
}

/** Reads Dawn's list: ` * backend: 'vulkan', name: 'SwiftShader Device (Subzero)'`. */
export function parseAdapterNames(message: string): readonly NamedAdapter[] {
  const all = [...message.matchAll(/^ \* backend: '([^']*)', name: '(.*)'$/gm)].map(([, api = "", name = ""]) => ({ name, api }));
  return all.filter(({ name }, index) => name !== "" && all.findIndex((other) => other.name === name) === index);
}

/**
 * The adapter whose name contains `wanted`, in any case and with any signs between the words (WebGPU itself calls
 * "SwiftShader Device (Subzero)" swiftshader-device-subzero-); the whole name goes before a part of one.
 *
 * @throws UserError - SystemError with the names that there are.
 */
export function chooseAdapter(wanted: string, adapters: readonly NamedAdapter[]): NamedAdapter {
  const typed = plain(wanted);
  const found = adapters.find(({ name }) => plain(name) === typed) ?? adapters.find(({ name }) => plain(name).includes(typed));
  if (found !== undefined) return found;
  const names = adapters.map(({ name }) => `"${name}"`).join(", ");
  throw new UserError({
    kind: "SystemError",
    where: `backend webgpu:${wanted}`,
    what: adapters.length === 0 ? "no GPU driver was found (Vulkan, Metal or Direct3D 12), so there is no adapter of any name" : `no adapter's name contains "${wanted}"; there ${adapters.length === 1 ? "is" : "are"} ${names}`,
    hint: "m2se doctor lists the adapters; --backend onnxruntime needs no GPU.",
  });
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}

async function factsOf({ name, api }: NamedAdapter): Promise<AdapterFacts> {
  const { info, limits, features } = await requestAdapter(name);
  const { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = limits;
  return {
    name,
    api,
    software: isSoftware(info),
    vendor: info.vendor,
    architecture: info.architecture,
    driver: info.description,
    maxBufferSize,
    maxStorageBufferBindingSize,
    maxComputeWorkgroupStorageSize,
    maxComputeInvocationsPerWorkgroup,
    features: [...features].sort(),
  };
}

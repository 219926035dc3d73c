/** @file Choosing and starting a backend. tfjs answers `false` and keeps the old one when it fails; here that is an error. */
import "@tensorflow/tfjs-backend-cpu";
import { env, getBackend, ready, setBackend } from "@tensorflow/tfjs-core";
import { UserError } from "../core/errors.ts";
import { cpuDescription } from "./cpu-description.ts";
import { mayHaveGpu } from "./gpu-files.ts";
import { gpuMemory, type Memory } from "./gpu-memory.ts";
import { backendHint, parseBackend, type Precision, type WantedBackend } from "./names.ts";
import { registerOrtBackend } from "./onnxruntime/backend.ts";

export interface ActiveBackend {
  readonly name: string;
  /** What it runs on, e.g. "2 CPU threads", or the adapter. */
  readonly device: string;
  /** Why it was chosen. */
  readonly reason: string;
  /** Absent on a CPU. */
  readonly gpu?: GpuFacts;
}

/** What limits depend on. */
export interface GpuFacts {
  /** As WebGPU spells it: nvidia, amd, intel, apple. */
  readonly vendor?: string;
  /** It computes on the CPU. */
  readonly isSoftware?: boolean;
  /** Bytes that one tensor can have. */
  readonly largestTensor?: number;
  /** Absent where nothing tells, and of software. */
  readonly memory?: Memory;
}

type Name = Exclude<WantedBackend["name"], "auto">;

interface Started {
  readonly device: string;
  readonly gpu?: GpuFacts;
}

/** What a backend needs beyond tfjs is loaded when it is started; `adapter` is part of an adapter's name. */
const START = {
  webgpu: startWebGpu,
  tensorflow: startTensorflow,
  onnxruntime: () => {
    registerOrtBackend();
    return onCpu();
  },
  cpu: onCpu,
} as const satisfies Record<Name, (adapter: string | undefined, precision: Precision) => Started | Promise<Started>>;

/**
 * Starts the named backend, or under `auto` the fastest one that works, and says which and why.
 *
 * @throws UserError - ConfigError for an unknown name, and where the precision is not to be had.
 */
export async function selectBackend(wanted: string, precision: Precision = "single"): Promise<ActiveBackend> {
  env().set("PROD", true);
  const parsed = parseBackend(wanted);
  if (parsed === undefined) throw new UserError({ kind: "ConfigError", where: "backend", what: `"${wanted}" is not one`, hint: backendHint(wanted) });
  const { name, adapter } = parsed;
  const active = name === "auto" ? await startFastest(precision) : { name, ...(await start(name, adapter, precision)), reason: "asked for" };
  if (precision === "single" || active.name === "webgpu") return active;
  throw new UserError({ kind: "ConfigError", where: "precision", what: `the backend ${active.name} (${active.device}) computes in single precision. Got "${precision}", expected "single"`, hint: "Leave precision out, or use --backend webgpu on a GPU with matrix units." });
}

interface Candidate {
  readonly name: Name;
  /** Without a GPU it is slower than the next. */
  readonly needsGpu?: boolean;
  /** Why it is not even loaded. */
  readonly whyNot?: () => Promise<string | undefined>;
}

/** Order of `auto`. */
const CANDIDATES: readonly Candidate[] = [{ name: "webgpu", needsGpu: true }, { name: "tensorflow", needsGpu: true, whyNot: whyNoTensorflow }, { name: "onnxruntime" }, { name: "cpu" }];

/** A GPU that is not there is told from its missing device file, so that no driver is loaded in vain. */
async function startFastest(precision: Precision): Promise<ActiveBackend> {
  const hasGpu = mayHaveGpu();
  const passed: string[] = [];
  for (const { name, needsGpu = false, whyNot } of CANDIDATES) {
    if (needsGpu && !hasGpu) continue;
    const started = (await whyNot?.()) ?? (await start(name, undefined, precision).catch(whatOf));
    if (typeof started === "string") passed.push(`${name}: ${started}`);
    else if (needsGpu && started.gpu === undefined) passed.push(`${name}: it found no GPU`);
    else return { name, ...started, reason: reasonFor(passed, hasGpu) };
  }
  throw new UserError({ kind: "SystemError", where: "backend auto", what: `no backend works (${passed.join("; ")})`, hint: "Run npm ci again." });
}

function reasonFor(passed: readonly string[], hasGpu: boolean): string {
  if (passed.length > 0) return `fastest that works (${passed.join("; ")})`;
  return hasGpu ? "fastest" : "fastest without a GPU";
}

async function start(name: Name, adapter: string | undefined, precision: Precision): Promise<Started> {
  const started = await START[name](adapter, precision);
  const isStarted = await setBackend(name);
  await ready();
  if (!isStarted || getBackend() !== name) throw new UserError({ kind: "SystemError", where: `backend ${name}`, what: "tfjs could not start it", hint: "Choose another with --backend." });
  return started;
}

async function startWebGpu(adapter: string | undefined, precision: Precision): Promise<Started> {
  const [{ registerWebGpuBackend }, { adapterNames, chooseAdapter }, { isSoftware }] = await Promise.all([import("./webgpu/backend.ts"), import("./webgpu/adapters.ts"), import("./webgpu/adapter.ts")]);
  const wanted = adapter === undefined ? undefined : chooseAdapter(adapter, await adapterNames()).name;
  const { description, info, device, memory } = await registerWebGpuBackend(wanted, precision);
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
  const gpu = { vendor: info.vendor, isSoftware: isSoftware(info), largestTensor: Math.min(maxBufferSize, maxStorageBufferBindingSize), ...withMemory(memory) };
  return { device: precision === "single" ? description : `${description}, products in ${precision} precision`, gpu };
}

async function startTensorflow(): Promise<Started> {
  const { registerTensorflowBackend } = await import("./tensorflow.ts");
  const { description, isOnGpu } = registerTensorflowBackend();
  return isOnGpu ? { device: description, gpu: withMemory(await gpuMemory(description, {})) } : { device: description };
}

function withMemory(memory: Memory | undefined): Pick<GpuFacts, "memory"> {
  return memory === undefined ? {} : { memory };
}

/** tfjs-node without a GPU is loaded when it is asked for only. */
async function whyNoTensorflow(): Promise<string | undefined> {
  const { tensorflowPackages } = await import("./tensorflow.ts");
  return tensorflowPackages().includes("@tensorflow/tfjs-node-gpu") ? undefined : "@tensorflow/tfjs-node-gpu is not installed";
}

function onCpu(): Started {
  return { device: cpuDescription() };
}

function whatOf(error: unknown): string {
  if (error instanceof UserError) return error.problems[0]?.what ?? error.message;
  return error instanceof Error ? error.message : String(error);
}

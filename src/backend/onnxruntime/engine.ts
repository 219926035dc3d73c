/** @file Engine: one ONNX Runtime environment with one thread pool and one memory arena for all sessions. */
import { availableParallelism } from "node:os";
import { invariant, UserError } from "../../core/errors.ts";
import { type CApi, loadCApi, type Pointer } from "./c-api.ts";
import { ELEMENT_TYPES, encodeModel, type ElementType, type OnnxGraph } from "./protobuf.ts";

/** A tensor over one's own memory; nothing is copied. */
export interface HostTensor {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: Float32Array | Int32Array | Int8Array;
}

export interface Session {
  /**
   * Runs the graph on its inputs, in the graph's order, and writes into the outputs, in the graph's order. Throws with
   * ONNX Runtime's own text when a tensor does not fit.
   */
  run(inputs: readonly HostTensor[], outputs: readonly HostTensor[]): void;
  /** Frees the session; a second call does nothing. */
  dispose(): void;
}

interface Engine {
  readonly api: CApi;
  readonly environment: bigint;
  readonly memory: bigint;
  readonly sessionOptions: bigint;
}

/** Values of the C API's enumerations. */
const WARNINGS = 3;
const ALL_OPTIMIZATIONS = 99;
const ARENA_ALLOCATOR = 1;
const DEFAULT_MEMORY = 0;

/** ONNX Runtime allows one environment in a process. */
let engine: Engine | undefined;

/** Starts the engine; a second call does nothing. @throws UserError that says what is wrong when it cannot be used. */
export function startEngine(): void {
  runningEngine();
}

/** A session for a graph. Throws with ONNX Runtime's own text when the graph is not valid. */
export function createSession(graph: OnnxGraph): Session {
  const { api, environment, sessionOptions } = runningEngine();
  const model = encodeModel(graph);
  const session = created(api, (out) => api.CreateSessionFromArray(environment, model, model.byteLength, sessionOptions, out));
  const inputNames = cStrings(api, graph.inputs.map(({ name }) => name));
  const outputNames = cStrings(api, graph.outputs.map(({ name }) => name));
  let isOpen = true;
  return {
    run: (inputs, outputs) => {
      // The library would follow any of these into memory that is not there.
      invariant(isOpen, () => "a session was run after it was disposed");
      invariant(inputs.length === graph.inputs.length, () => `${inputs.length} inputs for a graph of ${graph.inputs.length}`);
      invariant(outputs.length === graph.outputs.length, () => `${outputs.length} outputs for a graph of ${graph.outputs.length}`);
      runSession(session, { inputNames, outputNames, inputs, outputs });
    },
    dispose: () => {
      if (isOpen) api.ReleaseSession(session);
      isOpen = false;
    },
  };
}

function runningEngine(): Engine {
  return (engine ??= openEngine());
}

interface Call {
  readonly inputNames: CStrings;
  readonly outputNames: CStrings;
  readonly inputs: readonly HostTensor[];
  readonly outputs: readonly HostTensor[];
}

function runSession(session: bigint, { inputNames, outputNames, inputs, outputs }: Call): void {
  const { api, memory } = runningEngine();
  const values = new BigUint64Array(inputs.length + outputs.length);
  const inputValues = values.subarray(0, inputs.length);
  const outputValues = values.subarray(inputs.length);
  try {
    inputs.forEach((tensor, i) => (inputValues[i] = valueOver(api, memory, tensor)));
    outputs.forEach((tensor, i) => (outputValues[i] = valueOver(api, memory, tensor)));
    check(api, api.Run(session, null, inputNames.pointers, inputValues, inputs.length, outputNames.pointers, outputs.length, outputValues));
  } finally {
    for (const value of values) if (value !== 0n) api.ReleaseValue(value);
  }
}

function valueOver(api: CApi, memory: bigint, { type, dims, data }: HostTensor): bigint {
  const shape = BigInt64Array.from(dims, BigInt);
  return created(api, (out) => api.CreateTensorWithDataAsOrtValue(memory, data, data.byteLength, shape, dims.length, ELEMENT_TYPES[type], out));
}

function openEngine(): Engine {
  try {
    const api = loadCApi();
    const threading = created(api, (out) => api.CreateThreadingOptions(out));
    check(api, api.SetGlobalIntraOpNumThreads(threading, availableParallelism()));
    check(api, api.SetGlobalInterOpNumThreads(threading, 1));
    check(api, api.SetGlobalSpinControl(threading, 1));
    check(api, api.SetGlobalDenormalAsZero(threading));
    const environment = created(api, (out) => api.CreateEnvWithGlobalThreadPools(WARNINGS, "m2se", threading, out));
    api.ReleaseThreadingOptions(threading);
    const memory = created(api, (out) => api.CreateCpuMemoryInfo(ARENA_ALLOCATOR, DEFAULT_MEMORY, out));
    check(api, api.CreateAndRegisterAllocator(environment, memory, null));
    return { api, environment, memory, sessionOptions: createSessionOptions(api) };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new UserError(
      { kind: "SystemError", where: "backend onnxruntime", what: `ONNX Runtime cannot be used (${reason})`, hint: "Run npm ci, or choose --backend cpu (slow)." },
      { cause: error },
    );
  }
}

function createSessionOptions(api: CApi): bigint {
  const options = created(api, (out) => api.CreateSessionOptions(out));
  check(api, api.DisablePerSessionThreads(options));
  check(api, api.SetSessionGraphOptimizationLevel(options, ALL_OPTIMIZATIONS));
  check(api, api.SetSessionLogSeverityLevel(options, WARNINGS));
  check(api, api.DisableMemPattern(options));
  check(api, api.AddSessionConfigEntry(options, "session.use_env_allocators", "1"));
  // Masked attention weights are e^-104: as denormal numbers each costs a hundred cycles wherever it is read. The first
  // session of the process switches the thread that makes it, JavaScript included, to the same arithmetic, for good.
  check(api, api.AddSessionConfigEntry(options, "session.set_denormal_as_zero", "1"));
  return options;
}

/** The object that a function makes through its last argument. */
function created(api: CApi, make: (out: BigUint64Array) => unknown): bigint {
  const out = new BigUint64Array(1);
  check(api, make(out));
  return out[0] ?? 0n;
}

function check(api: CApi, status: unknown): void {
  if (status === null || status === undefined) return;
  const message = String(api.GetErrorMessage(status as Pointer));
  api.ReleaseStatus(status as Pointer);
  throw new Error(`ONNX Runtime: ${message}`);
}

/** C strings and the array of their addresses; both stay reachable together. */
interface CStrings {
  readonly pointers: BigUint64Array;
  readonly bytes: readonly Uint8Array[];
}

function cStrings(api: CApi, texts: readonly string[]): CStrings {
  // Longer than 64 bytes, or V8 keeps the array inside its moving heap.
  const bytes = texts.map((text) => Uint8Array.from({ length: Math.max(128, text.length + 1) }, (_, i) => (i < text.length ? text.charCodeAt(i) : 0)));
  return { bytes, pointers: BigUint64Array.from(bytes, (memory) => api.address(memory)) };
}

/**
 * @file The one place that touches onnxruntime-node. tfjs kernels must return at once, but the package's public API is
 * a promise around a synchronous native call; so its internal binding is used directly, and checked before it is trusted.
 */
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { UserError } from "../../core/errors.ts";
import { encodeModel, type ElementType, type OnnxGraph } from "./protobuf.ts";

/** The version whose internals were checked; pinned in package.json. */
const CHECKED_VERSION = "1.30.0";

export type HostArray = Float32Array | Int32Array;

/** A tensor over one's own memory; nothing is copied. */
export interface HostTensor {
  readonly type: ElementType;
  readonly dims: readonly number[];
  readonly data: HostArray;
}

export interface Session {
  /** Runs the graph; writes into `outputs`, which must have the right sizes. */
  run(inputs: Readonly<Record<string, HostTensor>>, outputs: Readonly<Record<string, HostTensor>>): void;
  dispose(): void;
}

interface NativeSession {
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: object): void;
  run(feeds: object, fetches: object, options: object): object;
  dispose(): void;
}

interface Library {
  readonly NativeSession: new () => NativeSession;
  readonly Tensor: new (type: string, data: HostArray, dims: readonly number[]) => object;
}

let library: Library | undefined;

/** Number of threads a session uses. */
export const threadCount = (): number => Math.max(1, availableParallelism());

/** Throws a UserError that says what is wrong when the engine cannot be used. */
export function loadLibrary(): void {
  library ??= openLibrary();
}

/** A session for a graph. Idle threads do not spin: with many sessions they would fight for the cores. */
export function createSession(graph: OnnxGraph): Session {
  library ??= openLibrary();
  const { NativeSession, Tensor } = library;
  const model = encodeModel(graph);
  const native = new NativeSession();
  native.loadModel(model.buffer, model.byteOffset, model.byteLength, {
    intraOpNumThreads: threadCount(),
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    enableMemPattern: false,
    logSeverityLevel: 3,
    extra: { session: { intra_op: { allow_spinning: "0" }, inter_op: { allow_spinning: "0" } } },
  });
  const wrap = (tensors: Readonly<Record<string, HostTensor>>): Record<string, object> =>
    Object.fromEntries(Object.entries(tensors).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]));
  return {
    run: (inputs, outputs) => void native.run(wrap(inputs), wrap(outputs), {}),
    dispose: () => native.dispose(),
  };
}

function openLibrary(): Library {
  const require = createRequire(import.meta.url);
  try {
    const version: unknown = (require("onnxruntime-node/package.json") as { version?: unknown }).version;
    if (version !== CHECKED_VERSION) throw new Error(`found version ${String(version)}, expected ${CHECKED_VERSION}`);
    const internal = require("onnxruntime-node/dist/binding.js") as { binding?: { InferenceSession?: unknown }; initOrt?: unknown };
    const { Tensor } = require("onnxruntime-common") as { Tensor?: unknown };
    const NativeSession = internal.binding?.InferenceSession;
    if (typeof NativeSession !== "function" || typeof internal.initOrt !== "function" || typeof Tensor !== "function") {
      throw new Error("its internal binding does not look as expected");
    }
    internal.initOrt();
    return { NativeSession, Tensor } as Library;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
    throw new UserError(
      { kind: "SystemError", where: "backend onnxruntime", what: `onnxruntime-node cannot be used (${reason})`, hint: "Run npm ci, or choose --backend cpu (slow)." },
      { cause: error },
    );
  }
}

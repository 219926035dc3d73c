/**
 * @file ONNX Runtime's public, versioned C API, called in the shared library that the onnxruntime-node package carries.
 * The package's own JavaScript binding is not used: it copies every output, and gives each session threads of its own.
 * @see onnxruntime_c_api.h: OrtApi is a table of function pointers whose order never changes.
 */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Koffi } from "./koffi.ts";

/** API version whose table is asked for; the library is newer and keeps older tables. */
const API_VERSION = 16;

type FunctionEntry = readonly [position: number, result: string, parameters: readonly string[]];

/** Where the functions stand in the table. A result "void *" is a status: null, or an error to be read and released. */
const FUNCTIONS = {
  GetErrorMessage: [2, "const char *", ["void *"]],
  CreateSessionFromArray: [8, "void *", ["void *", "void *", "size_t", "void *", "void *"]],
  Run: [9, "void *", ["void *", "void *", "void *", "void *", "size_t", "void *", "size_t", "void *"]],
  CreateSessionOptions: [10, "void *", ["void *"]],
  DisableMemPattern: [17, "void *", ["void *"]],
  SetSessionLogSeverityLevel: [22, "void *", ["void *", "int"]],
  SetSessionGraphOptimizationLevel: [23, "void *", ["void *", "int"]],
  CreateTensorWithDataAsOrtValue: [49, "void *", ["void *", "void *", "size_t", "void *", "size_t", "int", "void *"]],
  CreateCpuMemoryInfo: [69, "void *", ["int", "int", "void *"]],
  ReleaseStatus: [93, "void", ["void *"]],
  ReleaseSession: [95, "void", ["void *"]],
  ReleaseValue: [96, "void", ["void *"]],
  ReleaseSessionOptions: [100, "void", ["void *"]],
  CreateEnvWithGlobalThreadPools: [119, "void *", ["int", "const char *", "void *", "void *"]],
  DisablePerSessionThreads: [120, "void *", ["void *"]],
  CreateThreadingOptions: [121, "void *", ["void *"]],
  ReleaseThreadingOptions: [122, "void", ["void *"]],
  AddSessionConfigEntry: [130, "void *", ["void *", "const char *", "const char *"]],
  CreateAndRegisterAllocator: [144, "void *", ["void *", "void *", "void *"]],
  SetGlobalIntraOpNumThreads: [147, "void *", ["void *", "int"]],
  SetGlobalInterOpNumThreads: [148, "void *", ["void *", "int"]],
  SetGlobalSpinControl: [149, "void *", ["void *", "int"]],
  SetGlobalDenormalAsZero: [155, "void *", ["void *"]],
} as const satisfies Record<string, FunctionEntry>;

/** A C pointer: the address of something native, or an array whose memory is handed over. */
export type Pointer = bigint | NodeJS.TypedArray | null;

export type CApi = Readonly<Record<keyof typeof FUNCTIONS, (...args: readonly (Pointer | number | string)[]) => unknown>> & {
  /** Address of an array's memory; the array must stay reachable while the address is used. */
  readonly address: (memory: NodeJS.TypedArray) => bigint;
  readonly version: string;
  /** Held, never used: koffi unloads a library that nothing refers to, with all functions that were read out of its memory. */
  readonly library: unknown;
};

/** Loads the library. Throws a plain Error that names what is missing. */
export function loadCApi(): CApi {
  const require = createRequire(import.meta.url);
  const path = libraryPath(dirname(require.resolve("onnxruntime-node/package.json")));
  const koffi = require("koffi") as Koffi;
  const library = koffi.load(path);
  const base = library.func("OrtGetApiBase", "void *", [])();
  const getApi = functionAt(koffi, base, [0, "void *", ["uint32_t"]]);
  const getVersion = functionAt(koffi, base, [1, "const char *", []]);
  const table = getApi(API_VERSION);
  if (table === null) throw new Error(`version ${String(getVersion())} does not offer API ${API_VERSION}`);
  const functions = Object.entries(FUNCTIONS).map(([name, entry]) => [name, functionAt(koffi, table, entry)]);
  return { ...Object.fromEntries(functions), address: (memory: NodeJS.TypedArray) => koffi.address(memory), version: String(getVersion()), library } as CApi;
}

const LIBRARIES: Readonly<Partial<Record<NodeJS.Platform, string>>> = { linux: "libonnxruntime.so.1", darwin: "libonnxruntime.dylib", win32: "onnxruntime.dll" };

function libraryPath(packageFolder: string): string {
  const name = LIBRARIES[process.platform];
  const path = name === undefined ? undefined : join(packageFolder, "bin", "napi-v6", process.platform, process.arch, name);
  if (path === undefined || !existsSync(path)) throw new Error(`onnxruntime-node has no library for ${process.platform}-${process.arch}`);
  return path;
}

const POINTER_BYTES = 8;

/** The function whose pointer stands at a position of a table. */
function functionAt(koffi: Koffi, table: unknown, [position, result, parameters]: FunctionEntry): (...args: readonly unknown[]) => unknown {
  return koffi.decode(koffi.decode(table, position * POINTER_BYTES, "void *"), koffi.proto(result, parameters));
}

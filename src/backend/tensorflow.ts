/**
 * @file The tfjs backend `tensorflow`: libtensorflow through the package `tfjs-node-gpu` (CUDA) or `tfjs-node`, whichever
 * is there. Neither is installed with m2se: they download hundreds of megabytes, which must not stand in everybody's way.
 */
import { createRequire } from "node:module";
import util from "node:util";
import { findBackend, getKernel } from "@tensorflow/tfjs-core";
import { UserError } from "../core/errors.ts";
import { cpuDescription } from "./cpu-description.ts";
import { MODEL_KERNELS } from "./model-kernels.ts";

export const TENSORFLOW = "tensorflow";

/** The GPU's first. */
export const TENSORFLOW_PACKAGES = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"] as const;
export type TensorflowPackage = (typeof TENSORFLOW_PACKAGES)[number];

/** Builds the addon that both packages need against a libtensorflow that is there; see the script. */
const LINK_HINT = "scripts/link-tensorflow.sh PATH builds its addon against a libtensorflow of yours.";
export const INSTALL_COMMAND = "npm install --no-save --save-prod @tensorflow/tfjs-node@4.22.0";

export interface Tensorflow {
  readonly package: TensorflowPackage;
  /** For people, e.g. `libtensorflow 2.21.0 (tfjs-node) on 2 CPU threads, ...`. */
  readonly description: string;
  readonly isOnGpu: boolean;
}

/** How packages are found and loaded: the two halves of Node's `require`. */
export interface PackageLoader {
  readonly resolve: (name: string) => string;
  readonly load: (name: string) => unknown;
}

/** The packages that are there, whether they load or not; looks at the disk only. */
export function tensorflowPackages({ resolve }: Pick<PackageLoader, "resolve"> = NODE): readonly TensorflowPackage[] {
  return TENSORFLOW_PACKAGES.filter((name) => isFound(() => resolve(`${name}/package.json`)));
}

/**
 * Loads the first package that works, which registers the backend with tfjs.
 *
 * @throws UserError - SystemError with the reason of each package, or with the kernels that the backend lacks.
 */
export function registerTensorflowBackend(loader: PackageLoader = NODE): Tensorflow {
  const found = tensorflowPackages(loader);
  addRemovedFunctions(util);
  quieten(process.env);
  const failures = TENSORFLOW_PACKAGES.filter((name) => !found.includes(name)).map((name) => `${name} is not installed`);
  for (const name of found) {
    try {
      loader.load(name);
    } catch (error) {
      failures.push(`${name} does not load: ${firstLine(error)}`);
      continue;
    }
    checkKernels((kernel) => getKernel(kernel, TENSORFLOW));
    return describe(name);
  }
  throw new UserError({ kind: "SystemError", where: "backend tensorflow", what: failures.join("; "), hint: found.length === 0 ? `${INSTALL_COMMAND}, then ${LINK_HINT}` : LINK_HINT });
}

/**
 * Throws when the backend lacks a kernel that the model runs.
 *
 * @throws UserError - SystemError with their names.
 */
export function checkKernels(kernelOf: (name: string) => unknown): void {
  const missing = MODEL_KERNELS.filter((name) => kernelOf(name) === undefined);
  if (missing.length === 0) return;
  throw new UserError({
    kind: "SystemError",
    where: "backend tensorflow",
    what: `it lacks ${missing.length} of the ${MODEL_KERNELS.length} kernels that the model runs: ${missing.join(", ")}`,
    hint: `Install version 4.22.0 of the package, or choose --backend onnxruntime.`,
  });
}

/** tfjs-node 4.22 calls functions that Node 23 removed; without them every tensor fails. */
export function addRemovedFunctions(target: object): void {
  const removed = { isNullOrUndefined: (value: unknown) => value === null || value === undefined, isArray: Array.isArray };
  for (const [name, replacement] of Object.entries(removed)) if (!(name in target)) Object.assign(target, { [name]: replacement });
}

/** What libtensorflow reads when it is loaded: its log without greetings, and a GPU's memory taken as it is needed. What the user has set stays. */
function quieten(environment: NodeJS.ProcessEnv): void {
  environment["TF_CPP_MIN_LOG_LEVEL"] ??= "2";
  environment["TF_FORCE_GPU_ALLOW_GROWTH"] ??= "true";
}

function describe(name: TensorflowPackage): Tensorflow {
  const backend: unknown = findBackend(TENSORFLOW);
  const isOnGpu = property(backend, "isUsingGpuDevice") === true;
  const version = property(property(backend, "binding"), "TF_Version");
  const library = `libtensorflow${typeof version === "string" ? ` ${version}` : ""} (${name.replace("@tensorflow/", "")})`;
  return { package: name, description: `${library} on ${isOnGpu ? "a CUDA GPU" : cpuDescription()}`, isOnGpu };
}

const require = createRequire(import.meta.url);
const NODE: PackageLoader = { resolve: (name) => require.resolve(name), load: (name) => require(name) as unknown };

function isFound(resolve: () => string): boolean {
  try {
    resolve();
    return true;
  } catch {
    return false;
  }
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (Reflect.get(value, name) as unknown) : undefined;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0]?.trim() ?? "";
}

/** @file The names of backends, as the config and the command line take them. */
import { didYouMean } from "../core/suggest.ts";

export const BACKENDS = ["auto", "onnxruntime", "tensorflow", "webgpu", "cpu"] as const;

/** `webgpu:NAME` is the adapter whose name contains NAME. */
export const ADAPTER_PREFIX = "webgpu:";

export type BackendName = (typeof BACKENDS)[number] | `${typeof ADAPTER_PREFIX}${string}`;

/**
 * How large matrices are multiplied on a GPU with matrix units: in single precision, without them; as sums of two halves (22
 * bits); or as halves (11 bits). Sums are always single.
 */
export const PRECISIONS = ["single", "split", "half"] as const;
export type Precision = (typeof PRECISIONS)[number];

/** How the matrices of layers are kept that no stage trains: as they are, in half precision, or rounded to 8 bits with a scale for every block. */
export const FROZEN_BASES = ["float32", "float16", "int8"] as const;
export type FrozenBase = (typeof FROZEN_BASES)[number];
export type PackedForm = Exclude<FrozenBase, "float32">;

export interface WantedBackend {
  readonly name: (typeof BACKENDS)[number];
  /** Part of an adapter's name. */
  readonly adapter: string | undefined;
}

/** What a name asks for; undefined when it is none. */
export function parseBackend(text: string): WantedBackend | undefined {
  const adapter = text.startsWith(ADAPTER_PREFIX) ? text.slice(ADAPTER_PREFIX.length) : "";
  if (adapter !== "") return { name: "webgpu", adapter };
  const name = BACKENDS.find((known) => known === text);
  return name === undefined ? undefined : { name, adapter: undefined };
}

export function isBackendName(text: string): text is BackendName {
  return parseBackend(text) !== undefined;
}

/** `Known: auto, ..., webgpu:NAME. Did you mean "webgpu"?` */
export function backendHint(text: string): string {
  return didYouMean(text, [...BACKENDS, `${ADAPTER_PREFIX}NAME`]);
}

/** @file Weights of a ParamStore on their way to a file. */
import type { ParamStore } from "../params.ts";
import type { TensorToWrite } from "./write-safetensors.ts";

/** The named weights, fetched one at a time when written. Borrowed: the store must not change until the write is done. */
export function storeTensors(store: ParamStore, names: readonly string[] = store.names()): TensorToWrite[] {
  return names.map((name) => ({ name, shape: store.shapeOf(name), data: () => store.read(name) }));
}

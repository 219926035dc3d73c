/** @file GoldenSet: a folder with expected.json and, for most kinds, expected.safetensors. Nothing here depends on what is in which set. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { z } from "zod";
import { openSafetensors } from "../../src/model/checkpoints/safetensors.ts";

export class GoldenSet {
  readonly folder: string;
  readonly kind: string;
  readonly #json: unknown;
  readonly #arrays: ReadonlyMap<string, Tensor>;
  readonly #used = new Set<string>();

  constructor(folder: string, json: { readonly kind: string }, arrays: ReadonlyMap<string, Tensor>) {
    this.folder = folder;
    this.kind = json.kind;
    this.#json = json;
    this.#arrays = arrays;
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** expected.json, as far as the schema describes it. */
  json<T>(schema: z.ZodType<T>): T {
    return schema.parse(this.#json);
  }

  /** Names of the arrays, or of those that match. */
  names(pattern = /^/): string[] {
    return [...this.#arrays.keys()].filter((name) => pattern.test(name));
  }

  has(name: string): boolean {
    return this.#arrays.has(name);
  }

  tensor(name: string): Tensor {
    const tensor = this.#arrays.get(name);
    if (tensor === undefined) throw new Error(`expected.safetensors has no array "${name}"`);
    this.#used.add(name);
    return tensor;
  }

  integers(name: string): Int32Array {
    return Int32Array.from(this.tensor(name).dataSync());
  }

  /** Arrays that no check has asked for. */
  unused(): string[] {
    return this.names().filter((name) => !this.#used.has(name));
  }

  dispose(): void {
    for (const tensor of this.#arrays.values()) tensor.dispose();
  }
}

/** The set in a folder. */
export async function openGoldenSet(folder: string): Promise<GoldenSet> {
  const json: unknown = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8"));
  if (typeof json !== "object" || json === null || !("kind" in json) || typeof json.kind !== "string") throw new Error(`${folder}/expected.json has no kind`);
  const path = join(folder, "expected.safetensors");
  return new GoldenSet(folder, { ...json, kind: json.kind }, existsSync(path) ? await readTensors(path) : new Map());
}

/** Every tensor of a safetensors file; integers become int32. */
export async function readTensors(path: string): Promise<Map<string, Tensor>> {
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, Tensor>();
    for (const name of file.names) {
      const values = await file.read(name);
      const isFloat = values instanceof Float32Array || values instanceof Float64Array;
      const numbers = isFloat ? Float32Array.from(values) : Int32Array.from(Array.from<number | bigint>(values), Number);
      tensors.set(name, tf.tensor(numbers, [...file.info(name).shape], isFloat ? "float32" : "int32"));
    }
    return tensors;
  } finally {
    await file.close();
  }
}

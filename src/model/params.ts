/**
 * @file ParamStore: the model's weights under the checkpoint's own names, in checkpoint orientation ([out, in]).
 * Model functions see a `Params` view of it, so that a block does not know which layer it is.
 */
import { backend, keep, mul, tensor as newTensor, tidy, type Tensor } from "@tensorflow/tfjs-core";
import type { Kept } from "../backend/blocks.ts";
import { dropoutMask } from "../backend/dropout-mask.ts";
import { borrowFloats, hostFloats } from "../backend/host-memory.ts";
import { invariant } from "../core/errors.ts";
import { counterKey } from "../core/rng.ts";
import { nearestNames } from "../core/suggest.ts";

/** Weights by relative name; tensors are borrowed, never disposed by the reader. */
export interface Params {
  /** Throws when the name is unknown. */
  get(name: string): Tensor;
  has(name: string): boolean;
  /** Whether the current stage trains this parameter. */
  isTrainable(name: string): boolean;
  /** Whether the current stage trains anything under this prefix. */
  trainsWithin(prefix: string): boolean;
  /** What a block keeps for its backward pass in the current stage. */
  readonly kept: Kept;
  /** Whether numbers are dropped on their way into adapters: in training steps with dropout. */
  readonly drops: boolean;
  /** What the input of a module's adapter is multiplied with in the current step, [rows, width]; the same at every call, and the caller's. */
  dropoutMask(module: string, shape: readonly number[]): Tensor;
  /** The same weights under a longer prefix: `scope("layers.0").get("mlp.fc1.weight")`. */
  scope(prefix: string): Params;
}

/** Of the inputs of adapters. */
export interface Dropout {
  /** Probability that a number is dropped, 0 to below 1. */
  readonly rate: number;
  /** What, with the module's name, decides which: equal keys drop the same numbers. */
  readonly key: readonly (string | number)[];
}

/** Parameter name -> shape. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Numbers in a tensor of this shape. */
export function sizeOfShape(shape: readonly number[]): number {
  return shape.reduce((size, side) => size * side, 1);
}

/** Owner of the weights. Everything else borrows. */
export class ParamStore implements Params {
  readonly #tensors = new Map<string, Tensor>();
  /** Names whose memory was allocated here; nobody else holds it. */
  readonly #own = new Set<string>();
  #trainable: ReadonlySet<string> = new Set();
  #kept: Kept = "intermediates";
  #dropout: Dropout | undefined;

  get(name: string): Tensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new Error(`no parameter "${name}"; nearest: ${nearestNames(name, this.names()).join(", ") || "none"}`);
    return tensor;
  }

  has(name: string): boolean {
    return this.#tensors.has(name);
  }

  isTrainable(name: string): boolean {
    return this.#trainable.has(name);
  }

  trainsWithin(prefix: string): boolean {
    for (const name of this.#trainable) if (name.startsWith(`${prefix}.`)) return true;
    return false;
  }

  get kept(): Kept {
    return this.#kept;
  }

  /** Names the parameters that the current stage trains, all others being frozen, and says what its blocks keep. */
  setTrainable(names: Iterable<string>, kept: Kept = "intermediates"): void {
    this.#trainable = new Set(names);
    this.#kept = kept;
  }

  get drops(): boolean {
    return this.#dropout !== undefined;
  }

  dropoutMask(module: string, shape: readonly number[]): Tensor {
    invariant(this.#dropout !== undefined, () => `${module}: a mask outside of a training step`);
    const { rate, key } = this.#dropout;
    return dropoutMask(shape, { rate, key: counterKey("dropout", ...key, module) });
  }

  /** Begins a training step, or part of one, with dropout; undefined ends it. */
  setDropout(dropout: Dropout | undefined): void {
    this.#dropout = dropout;
  }

  scope(prefix: string): Params {
    return scopedParams(this, prefix);
  }

  names(): string[] {
    return [...this.#tensors.keys()];
  }

  /** Every parameter's shape by name. */
  shapes(): Shapes {
    return new Map([...this.#tensors].map(([name, { shape }]) => [name, shape]));
  }

  /** Takes ownership of `tensor`; an earlier one of this name is disposed. */
  set(name: string, tensor: Tensor): void {
    this.#tensors.get(name)?.dispose();
    this.#tensors.set(name, tensor);
    this.#own.delete(name);
  }

  /** Changes a float32 parameter's numbers in this process's memory: in place where that touches nobody else's, else in a new tensor. */
  update(name: string, change: (values: Float32Array) => void): void {
    const current = this.get(name);
    const own = this.#own.has(name) ? hostFloats(current) : undefined;
    const values = own ?? borrowFloats(current).slice();
    change(values);
    if (own !== undefined) return;
    this.set(name, keep(newTensor(values, current.shape, "float32")));
    this.#own.add(name);
  }

  /** A parameter on a device, for a kernel that changes it in place: no other tensor shares its memory. */
  unshared(name: string): Tensor {
    const current = this.get(name);
    if (backend().refCount(current.dataId) > 1) this.set(name, keep(tidy(() => mul(current, 1))));
    return this.get(name);
  }

  delete(name: string): void {
    this.#tensors.get(name)?.dispose();
    this.#tensors.delete(name);
  }

  /** Number of scalars under the given names, or in the whole store. */
  count(names: readonly string[] = this.names()): number {
    return names.reduce((sum, name) => sum + this.get(name).size, 0);
  }

  dispose(): void {
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tensors.clear();
  }
}

/** A view of `params` under a prefix. */
function scopedParams(params: Params, prefix: string): Params {
  return {
    get: (name) => params.get(`${prefix}.${name}`),
    has: (name) => params.has(`${prefix}.${name}`),
    isTrainable: (name) => params.isTrainable(`${prefix}.${name}`),
    trainsWithin: (inner) => params.trainsWithin(`${prefix}.${inner}`),
    get kept() {
      return params.kept;
    },
    get drops() {
      return params.drops;
    },
    dropoutMask: (module, shape) => params.dropoutMask(`${prefix}.${module}`, shape),
    scope: (inner) => scopedParams(params, `${prefix}.${inner}`),
  };
}

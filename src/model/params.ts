/**
 * @file ParamStore: the model's weights under the checkpoint's own names, in checkpoint orientation ([out, in]).
 * Model functions see a `Params` view of it, so that a block does not know which layer it is.
 */
import { backend, keep, mul, tensor as newTensor, tidy, type Tensor } from "@tensorflow/tfjs-core";
import { type BlockParams, keepsPackedWeights, type Kept } from "../backend/blocks.ts";
import { halfWeight, type HalfWeight, halvesAsFloats, keepsHalves, packHalves, widened } from "../backend/half-weight.ts";
import { type DropPlace, dropoutMask } from "../backend/dropout-mask.ts";
import { borrowFloats, hostFloats, readFloats } from "../backend/host-memory.ts";
import type { PackedForm } from "../backend/names.ts";
import { type PackedWeight, packWeight, unpackedValues } from "../backend/packed-weight.ts";
import { invariant } from "../core/errors.ts";
import { counterKey } from "../core/rng.ts";
import { nearestNames } from "../core/suggest.ts";

/** The view of the weights that model functions are given. */
export type Params = BlockParams;

/** Probabilities that a number is dropped, 0 to below 1, by place. */
export interface Dropout extends Readonly<Record<DropPlace, number>> {
  /** What, with the module's name, decides which: equal keys drop the same numbers. */
  readonly key: readonly (string | number)[];
}

/** Parameter name -> shape. */
export type Shapes = ReadonlyMap<string, readonly number[]>;

/** Numbers in a tensor of this shape. */
export function sizeOfShape(shape: readonly number[]): number {
  return shape.reduce((size, side) => size * side, 1);
}

/** Which weights of the base model a store rounds, and to what. */
export type Packs = (name: string, shape: readonly number[]) => PackedForm | false;

type Weight = Tensor | PackedWeight | HalfWeight;

/** Owner of the weights. Everything else borrows. */
export class ParamStore implements Params {
  readonly #weights = new Map<string, Weight>();
  readonly #packs: Packs;
  /** Names whose memory was allocated here; nobody else holds it. */
  readonly #own = new Set<string>();
  #trainable: ReadonlySet<string> = new Set();
  #kept: Kept = "intermediates";
  #dropout: Dropout | undefined;

  constructor(packs: Packs = () => false) {
    this.#packs = packs;
  }

  get(name: string): Tensor {
    const weight = this.#weight(name);
    if (isHalf(weight)) return widened(weight);
    return isPacked(weight) ? newTensor(unpackedValues(weight), [...weight.shape], "float32") : weight;
  }

  packed(name: string): PackedWeight | undefined {
    const weight = this.#weights.get(name);
    return weight !== undefined && isPacked(weight) ? weight : undefined;
  }

  halves(name: string): Tensor | undefined {
    const weight = this.#weights.get(name);
    return weight !== undefined && isHalf(weight) ? weight.halves : undefined;
  }

  has(name: string): boolean {
    return this.#weights.has(name);
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
    const packed = [...this.#trainable].find((name) => this.packed(name) !== undefined || this.halves(name) !== undefined);
    invariant(packed === undefined, () => `"${packed ?? ""}" is kept in ${this.packed(packed ?? "") === undefined ? "halves" : "8 bits"} and cannot be trained`);
  }

  drops(place: DropPlace): boolean {
    return (this.#dropout?.[place] ?? 0) > 0;
  }

  dropoutMask(place: DropPlace, module: string, shape: readonly number[]): Tensor {
    invariant(this.#dropout !== undefined, () => `${module}: a mask outside of a training step`);
    return dropoutMask(shape, { rate: this.#dropout[place], key: counterKey("dropout", ...this.#dropout.key, module) });
  }

  /** Begins a training step, or part of one, with dropout; undefined ends it. */
  setDropout(dropout: Dropout | undefined): void {
    this.#dropout = dropout;
  }

  scope(prefix: string): Params {
    return scopedParams(this, prefix);
  }

  names(): string[] {
    return [...this.#weights.keys()];
  }

  /** Every parameter's shape by name. */
  shapes(): Shapes {
    return new Map([...this.#weights].map(([name, { shape }]) => [name, shape]));
  }

  /** Throws when the name is unknown. */
  shapeOf(name: string): readonly number[] {
    return this.#weight(name).shape;
  }

  /** A parameter's numbers, of a packed weight the rounded ones; borrowed. */
  async read(name: string): Promise<Float32Array> {
    const weight = this.#weight(name);
    if (isHalf(weight)) return readWidened(weight);
    return isPacked(weight) ? unpackedValues(weight) : readFloats(weight);
  }

  /**
   * Sets a weight of the base model from its numbers, which are given away. What the store packs is rounded, and kept so where
   * the backend can compute with it.
   */
  load(name: string, values: Float32Array, shape: readonly number[]): void {
    this.delete(name);
    this.#weights.set(name, asKept(values, { shape, form: this.#packs(name, shape) }));
  }

  /** Takes ownership of `tensor`; an earlier one of this name is disposed. */
  set(name: string, tensor: Tensor): void {
    this.delete(name);
    this.#weights.set(name, tensor);
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
    disposeWeight(this.#weights.get(name));
    this.#weights.delete(name);
    this.#own.delete(name);
  }

  /** Number of scalars under the given names, or in the whole store. */
  count(names: readonly string[] = this.names()): number {
    return names.reduce((sum, name) => sum + sizeOfShape(this.shapeOf(name)), 0);
  }

  dispose(): void {
    for (const weight of this.#weights.values()) disposeWeight(weight);
    this.#weights.clear();
  }

  #weight(name: string): Weight {
    const weight = this.#weights.get(name);
    if (weight === undefined) throw new Error(`no parameter "${name}"; nearest: ${nearestNames(name, this.names()).join(", ") || "none"}`);
    return weight;
  }
}

function asKept(values: Float32Array, { shape, form }: { readonly shape: readonly number[]; readonly form: ReturnType<Packs> }): Weight {
  const floats = (numbers: Float32Array): Tensor => newTensor(numbers, [...shape], "float32");
  if (form === false) return floats(values);
  if (form === "int8") {
    const packed = packWeight(values, shape);
    return keepsPackedWeights() ? packed : floats(unpackedValues(packed));
  }
  const pairs = packHalves(values);
  // Numbers that are too large for halves stay as they are.
  if (pairs === undefined) return floats(values);
  return keepsHalves() ? halfWeight(pairs, shape) : floats(halvesAsFloats(pairs));
}

async function readWidened(weight: HalfWeight): Promise<Float32Array> {
  const tensor = widened(weight);
  try {
    return await readFloats(tensor);
  } finally {
    tensor.dispose();
  }
}

/** A packed weight is left to the garbage collector. */
function disposeWeight(weight: Weight | undefined): void {
  if (weight === undefined || isPacked(weight)) return;
  (isHalf(weight) ? weight.halves : weight).dispose();
}

function isPacked(weight: Weight): weight is PackedWeight {
  return "codes" in weight;
}

function isHalf(weight: Weight): weight is HalfWeight {
  return "halves" in weight;
}

/** A view of `params` under a prefix. */
function scopedParams(params: Params, prefix: string): Params {
  return {
    get: (name) => params.get(`${prefix}.${name}`),
    packed: (name) => params.packed(`${prefix}.${name}`),
    halves: (name) => params.halves(`${prefix}.${name}`),
    has: (name) => params.has(`${prefix}.${name}`),
    isTrainable: (name) => params.isTrainable(`${prefix}.${name}`),
    trainsWithin: (inner) => params.trainsWithin(`${prefix}.${inner}`),
    get kept() {
      return params.kept;
    },
    drops: (place) => params.drops(place),
    dropoutMask: (place, module, shape) => params.dropoutMask(place, `${prefix}.${module}`, shape),
    scope: (inner) => scopedParams(params, `${prefix}.${inner}`),
  };
}

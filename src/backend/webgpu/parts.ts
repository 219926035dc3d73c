/**
 * @file Numbers in parts: four at a time where the rows' width allows, else one; in the code a part is a `Part` (or, as
 * uninterpreted bits, a `Word`), and `LANES` says of how many numbers.
 */
import type { TensorInfo } from "@tensorflow/tfjs-core";
import { invariant } from "../../core/errors.ts";
import type { KernelCall } from "./kernels.ts";

export type Lanes = 1 | 4;

/** What a buffer of a kernel in parts holds; `f32` and `i32` are read one by one, whatever the parts. */
export type PartElement = "part" | "word" | "f32" | "i32";

type Buffers = Readonly<Record<string, PartElement>>;
type Element = "f32" | "i32" | "u32" | "vec4<f32>" | "vec4<u32>";

export function lanesOf(width: number): Lanes {
  return width % 4 === 0 ? 4 : 1;
}

/** The buffers as a program declares them. */
export function inLanes(buffers: Buffers, lanes: Lanes): Record<string, Element> {
  return Object.fromEntries(Object.entries(buffers).map(([name, element]) => [name, elementOf(element, lanes)]));
}

function elementOf(element: PartElement, lanes: Lanes): Element {
  if (element === "part") return lanes === 4 ? "vec4<f32>" : "f32";
  if (element === "word") return lanes === 4 ? "vec4<u32>" : "u32";
  return element;
}

/** `total` and `largest` are a part's sum and maximum. */
export function partCode(lanes: Lanes): string {
  if (lanes === 1) return "alias Part = f32;\nconst LANES = 1u;\nfn total(part: Part) -> f32 { return part; }\nfn largest(part: Part) -> f32 { return part; }";
  return `alias Part = vec4<f32>;
const LANES = 4u;
fn total(part: Part) -> f32 { return (part.x + part.y) + (part.z + part.w); }
fn largest(part: Part) -> f32 { return max(max(part.x, part.y), max(part.z, part.w)); }`;
}

export function sizeOf({ shape }: TensorInfo): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function tensorOf({ inputs }: KernelCall, name: string): TensorInfo {
  const tensor = inputs[name];
  invariant(tensor !== undefined, () => `a kernel was called without its input "${name}"`);
  return tensor;
}

/** Attributes that are lists of one length, as a record of numbers for each place. */
export function numbersOf<const N extends string>({ attributes }: KernelCall, names: readonly N[]): Record<N, number>[] {
  const lists = names.map((name) => {
    const list = attributes[name];
    invariant(Array.isArray(list), () => `a kernel was called without its numbers "${name}"`);
    return list as number[];
  });
  return (lists[0] ?? []).map((_, i) => Object.fromEntries(names.map((name, j) => [name, lists[j]![i]!])) as Record<N, number>);
}

export function numberOf({ attributes }: KernelCall, name: string): number {
  const value = attributes[name];
  invariant(typeof value === "number", () => `a kernel was called without its number "${name}"`);
  return value;
}

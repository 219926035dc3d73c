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

/** Adds up the first `count` of `found`, a sum for each thread, by halves until `left` are left. */
export function addByHalves(count: number, left: number): string {
  return `workgroupBarrier();
  for (var others = ${count / 2}u; others >= ${left}u; others >>= 1u) {
    if (thread < others) { found[thread] += found[thread + others]; }
    workgroupBarrier();
  }`;
}

export function sizeOf({ shape }: TensorInfo): number {
  return shape.reduce((product, size) => product * size, 1);
}

export function tensorOf({ inputs }: KernelCall, name: string): TensorInfo {
  const tensor = inputs[name];
  invariant(tensor !== undefined, () => `a kernel was called without its input "${name}"`);
  return tensor;
}

export function numberOf({ attributes }: KernelCall, name: string): number {
  const value = attributes[name];
  invariant(typeof value === "number", () => `a kernel was called without its number "${name}"`);
  return value;
}

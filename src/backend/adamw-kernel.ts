/** @file The optimizer's formula on all cores, where the backend has it. `train/adamw.ts` holds the reference. */
import { backend } from "@tensorflow/tfjs-core";
import { invariant } from "../core/errors.ts";
import { OrtBackend } from "./onnxruntime/backend.ts";
import { adamw } from "./onnxruntime/fused-adamw.ts";

/** Arrays of one length; all but the gradient are changed in place. */
export interface AdamWArrays {
  readonly parameter: Float32Array;
  readonly gradient: Float32Array;
  /** Running means of the gradient and of its square. */
  readonly first: Float32Array;
  readonly second: Float32Array;
}

export interface AdamWScalars {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly learningRate: number;
  readonly gradientScale: number;
  /** 1 in the first update. */
  readonly step: number;
}

const SCALARS = ["beta1", "beta2", "epsilon", "weightDecay", "learningRate", "gradientScale", "step"] as const satisfies readonly (keyof AdamWScalars)[];

/** The attributes of our kernel `AdamW`: each number of all parameters. */
export type ScalarLists = Readonly<Record<keyof AdamWScalars, number[]>>;

export function scalarLists(scalars: readonly AdamWScalars[]): ScalarLists {
  return Object.fromEntries(SCALARS.map((name) => [name, scalars.map((numbers) => numbers[name])])) as ScalarLists;
}

/** Of each parameter again. */
export function scalarsOf(lists: ScalarLists): AdamWScalars[] {
  for (const name of SCALARS) invariant(Array.isArray(lists[name]) && lists[name].length === lists.step.length, () => `AdamW without its numbers "${name}"`);
  return lists.step.map((_, i) => Object.fromEntries(SCALARS.map((name) => [name, lists[name][i]])) as unknown as AdamWScalars);
}

export type AdamWKernel = (arrays: AdamWArrays, scalars: AdamWScalars) => void;

/** The current backend's kernel; undefined where it has none. */
export function adamwKernel(): AdamWKernel | undefined {
  return backend() instanceof OrtBackend ? adamw : undefined;
}

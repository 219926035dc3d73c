/** @file The optimizer's formula on all cores, where the backend has it. `train/adamw.ts` holds the reference. */
import { backend } from "@tensorflow/tfjs-core";
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

export type AdamWKernel = (arrays: AdamWArrays, scalars: AdamWScalars) => void;

/** The current backend's kernel; undefined where it has none. */
export function adamwKernel(): AdamWKernel | undefined {
  return backend() instanceof OrtBackend ? adamw : undefined;
}

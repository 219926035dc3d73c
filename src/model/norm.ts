/**
 * @file Normalisation over the last axis; fused where the backend has it. In the composition the statistics carry a
 * gradient of their own; weight and bias stay plain tfjs ops, so that a frozen one costs nothing in the backward pass.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { hasOwnKernel, runOwnKernel } from "../backend/own-kernels.ts";
import { differentiable } from "./custom-grad.ts";
import type { Params } from "./params.ts";

/** PyTorch's default, which Whisper and the projectors use; the towers' configs name theirs. */
export const DEFAULT_NORM_EPS = 1e-5;

export interface NormSpec {
  readonly kind: "layer_norm" | "rms_norm";
  readonly eps: number;
}

/** The norm whose weight (and, for layer_norm, bias) lies under `name`. */
export function norm(params: Params, name: string, x: Tensor, { kind, eps }: NormSpec): Tensor {
  const weight = params.get(`${name}.weight`);
  return kind === "rms_norm" ? rmsNorm(x, weight, eps) : layerNorm({ x, weight, bias: params.get(`${name}.bias`), eps });
}

/** x / sqrt(mean(x^2) + eps) * weight. */
export function rmsNorm(x: Tensor, weight: Tensor, eps: number): Tensor {
  if (hasOwnKernel("RmsNorm", x)) return runOwnKernel("RmsNorm", { x, weight }, { eps })[0];
  return tf.mul(scaleToUnitMeanSquare(x, eps), weight);
}

/** (x - mean) / sqrt(variance + eps) * weight + bias, with the biased variance. */
export function layerNorm({ x, weight, bias, eps }: { x: Tensor; weight: Tensor; bias: Tensor; eps: number }): Tensor {
  if (hasOwnKernel("LayerNorm", x)) return runOwnKernel("LayerNorm", { x, weight, bias }, { eps })[0];
  return tf.add(tf.mul(standardise(x, eps), weight), bias);
}

/** y = x r with r = 1 / sqrt(mean(x^2) + eps); dx = r (dy - y mean(dy y)). */
function scaleToUnitMeanSquare(x: Tensor, eps: number): Tensor {
  return differentiable({
    inputs: [x],
    forward: () => {
      const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), tf.scalar(eps)));
      const value = tf.mul(x, inverse);
      return { value, saved: [value, inverse] };
    },
    backward: (dy, [y, inverse]) => [tf.mul(inverse, tf.sub(dy, tf.mul(y, tf.mean(tf.mul(dy, y), -1, true))))],
  });
}

/** y = (x - m) r; dx = r (dy - mean(dy) - y mean(dy y)). */
function standardise(x: Tensor, eps: number): Tensor {
  return differentiable({
    inputs: [x],
    forward: () => {
      const centred = tf.sub(x, tf.mean(x, -1, true));
      const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), tf.scalar(eps)));
      const value = tf.mul(centred, inverse);
      return { value, saved: [value, inverse] };
    },
    backward: (dy, [y, inverse]) => {
      const centred = tf.sub(dy, tf.mean(dy, -1, true));
      return [tf.mul(inverse, tf.sub(centred, tf.mul(y, tf.mean(tf.mul(dy, y), -1, true))))];
    },
  });
}

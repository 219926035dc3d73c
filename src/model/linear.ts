/** @file The linear layer: the only place that knows LoRA. Weights keep the checkpoint's orientation, [out, in]. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Params } from "./params.ts";

/** Adapter under a layer's name: A [rank, in] and B [out, rank]; y += scale B(A x). */
export const LORA_A = "lora_A.weight";
export const LORA_B = "lora_B.weight";
/** Scalar under a layer's name that scales its adapter: alpha / rank. */
export const LORA_SCALE = "lora_scale";

/** x W^T, plus the bias and the adapter where `params` has them; `x` is [rows, in], the result [rows, out]. */
export function linear(params: Params, name: string, x: Tensor): Tensor {
  const base = tf.matMul(x, params.get(`${name}.weight`), false, true);
  const biased = params.has(`${name}.bias`) ? tf.add(base, params.get(`${name}.bias`)) : base;
  return params.has(`${name}.${LORA_A}`) ? tf.add(biased, adapter(params, name, x)) : biased;
}

/** scale (x A^T) B^T. Dropout of the adapter's input would act on `x` here. */
function adapter(params: Params, name: string, x: Tensor): Tensor {
  const down = tf.matMul(x, params.get(`${name}.${LORA_A}`), false, true);
  return tf.matMul(tf.mul(down, params.get(`${name}.${LORA_SCALE}`)), params.get(`${name}.${LORA_B}`), false, true);
}

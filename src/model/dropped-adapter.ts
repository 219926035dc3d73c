/** @file An adapter behind dropout, as PEFT has it in training: y + scale B(A(mask * x)). Legend: T rows, R rank. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { LinearParts } from "../backend/own-kernels.ts";
import { differentiable } from "./custom-grad.ts";

export interface DroppedAdapter {
  /** [T, in] */
  readonly x: Tensor;
  readonly adapter: NonNullable<LinearParts["adapter"]>;
  /** Gives 0 or 1 / (1 - rate), [T, in]; the same at every call. */
  readonly mask: () => Tensor;
}

/** `base` [T, out] plus what the adapter adds. Neither the mask nor what it leaves of x is kept for the backward pass: both are made again. */
export function addDroppedAdapter(base: Tensor, { x, adapter, mask }: DroppedAdapter): Tensor {
  const dropped = (rows: Tensor): Tensor => tf.mul(rows, mask());
  return differentiable({
    inputs: [base, x, adapter.a, adapter.b],
    forward: () => {
      const down_TR = tf.mul(tf.matMul(dropped(x), adapter.a, false, true), adapter.scale);
      return { value: tf.add(base, tf.matMul(down_TR, adapter.b, false, true)), saved: [x, adapter.a, adapter.b, adapter.scale, down_TR] };
    },
    backward: (dy, [x, a, b, scale, down_TR]) =>
      tf.tidy(() => {
        const dDown_TR = tf.mul(tf.matMul(dy, b), scale);
        // A's gradient has its thin side last in the product, which is faster.
        const dA = tf.transpose(tf.matMul(dropped(x), dDown_TR, true, false));
        return [tf.clone(dy), dropped(tf.matMul(dDown_TR, a)), dA, tf.matMul(dy, down_TR, true, false)];
      }),
  });
}

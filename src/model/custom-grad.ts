/**
 * @file differentiable: tf.customGrad with typed saved tensors, the one border where tfjs's untyped list is read back;
 * and untaped, its opposite.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";

export interface CustomOp<S extends readonly Tensor[]> {
  /** What the result is differentiated in; everything else the closures read is constant and must be among `saved`. */
  readonly inputs: readonly Tensor[];
  readonly forward: () => { readonly value: Tensor; readonly saved: S };
  /** The gradient of every input, in their order, from the gradient of the value. */
  readonly backward: (dy: Tensor, saved: S) => Tensor[];
}

/** The value of `forward`; its gradient is `backward`, not the composition of tfjs's own gradients. */
export function differentiable<const S extends readonly Tensor[]>({ inputs, forward, backward }: CustomOp<S>): Tensor {
  const op = tf.customGrad((...args) => {
    const { value, saved } = forward();
    const save = args.at(-1);
    if (typeof save === "function") save([...saved]);
    // tfjs hands back what was saved, in order, as an untyped list.
    return { value, gradFunc: (dy: Tensor, list: Tensor[]) => backward(dy, list as unknown as S) };
  });
  return op(...inputs);
}

/** The value of `body` as a constant: an op without inputs, inside which the tape notes nothing and nothing is kept for a gradient. */
export function untaped(body: () => Tensor): Tensor {
  return tf.customGrad(() => ({ value: body(), gradFunc: () => [] }))();
}

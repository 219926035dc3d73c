/** @file Gradient checkpointing for backends that run blocks op by op: nothing but a block's inputs is kept for its gradient. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { invariant } from "../core/errors.ts";
import type { Block } from "./block.ts";
import { untaped } from "./custom-grad.ts";
import type { Params } from "./params.ts";

/** The only output of the block; its gradients, in `x` and in the trainable parameters that it reads, come from running `fn` once more. */
export function recomputed<I extends Record<string, Tensor>>({ params, inputs, fn }: Omit<Block<I>, "name">): Tensor {
  const read = new Map<string, Tensor>();
  const output = untaped(() => onlyOutput(fn(recording(params, "", read), inputs)));
  const names = Object.keys(inputs);
  const attached = tf.customGrad((...args) => {
    const save = args.at(-1);
    // The tape's scope ends before the backward pass. Weights outlive the step.
    if (typeof save === "function") save(Object.values(inputs));
    const gradFunc = (dy: Tensor, kept: Tensor[]): Tensor[] => {
      const again = { ...inputs, ...Object.fromEntries(names.map((name, i) => [name, kept[i]])) };
      return gradientsWithin(() => onlyOutput(fn(params, again)), [again.x, ...read.values()], dy);
    };
    return { value: tf.clone(output), gradFunc };
  });
  return attached(inputs.x, ...read.values());
}

function onlyOutput([output, ...others]: readonly Tensor[]): Tensor {
  invariant(output !== undefined && others.length === 0, () => `a trained block has one output, this one has ${others.length + (output === undefined ? 0 : 1)}`);
  return output;
}

/** Gradients computed while another tape is played back, which it must find again. */
function gradientsWithin(body: () => Tensor, inputs: Tensor[], dy: Tensor): Tensor[] {
  const { state } = tf.engine();
  const outer = state.activeTape;
  try {
    const { value, grads } = tf.engine().gradients(body, inputs, dy, true);
    // Else it stays until the outer backward pass is over, as the gradients do.
    value.dispose();
    const found: readonly (Tensor | undefined)[] = grads;
    return inputs.map((input, i) => found[i] ?? tf.zerosLike(input));
  } finally {
    state.activeTape = outer;
  }
}

/** A view of `params` that notes the trainable ones among those that are read. */
function recording(params: Params, prefix: string, read: Map<string, Tensor>): Params {
  return {
    get: (name) => {
      const tensor = params.get(name);
      if (params.isTrainable(name)) read.set(prefix + name, tensor);
      return tensor;
    },
    packed: (name) => params.packed(name),
    halves: (name) => params.halves(name),
    has: (name) => params.has(name),
    isTrainable: (name) => params.isTrainable(name),
    trainsWithin: (prefix) => params.trainsWithin(prefix),
    kept: params.kept,
    drops: (place) => params.drops(place),
    dropoutMask: (place, module, shape) => params.dropoutMask(place, module, shape),
    scope: (inner) => recording(params.scope(inner), `${prefix}${inner}.`, read),
  };
}

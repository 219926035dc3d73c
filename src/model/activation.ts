/** @file Activations with gradients of their own; fused where the backend has them. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { hasOwnKernel, runOwnKernel } from "../backend/own-kernels.ts";
import { differentiable } from "./custom-grad.ts";

/** x Phi(x), the exact form with erf (not tanh's); dx = dy (Phi(x) + x phi(x)). Phi, phi: the standard normal's distribution and density. */
export function gelu(x: Tensor): Tensor {
  return hasOwnKernel("Gelu", x) ? fusedGelu(x) : composedGelu(x);
}

/** silu(gate) * up, with silu(g) = g s(g); the gradient of silu is s + silu (1 - s). */
export function swiglu(gate: Tensor, up: Tensor): Tensor {
  return hasOwnKernel("SwiGlu", gate) ? fusedSwiglu(gate, up) : composedSwiglu(gate, up);
}

function fusedGelu(x: Tensor): Tensor {
  return differentiable({
    inputs: [x],
    forward: () => {
      const [value] = runOwnKernel("Gelu", { x });
      return { value, saved: [x] };
    },
    backward: (dy, [x]) => runOwnKernel("GeluGrad", { dy, x }),
  });
}

function composedGelu(x: Tensor): Tensor {
  return differentiable({
    inputs: [x],
    forward: () => {
      const half = tf.scalar(0.5);
      const distribution = tf.add(tf.mul(tf.erf(tf.mul(x, tf.scalar(Math.SQRT1_2))), half), half);
      return { value: tf.mul(x, distribution), saved: [x, distribution] };
    },
    backward: (dy, [x, distribution]) => {
      const density = tf.mul(tf.exp(tf.mul(tf.square(x), tf.scalar(-0.5))), tf.scalar(1 / Math.sqrt(2 * Math.PI)));
      return [tf.mul(dy, tf.add(distribution, tf.mul(x, density)))];
    },
  });
}

/** Keeps the value, which the layer behind keeps anyway, instead of the sigmoid. */
function fusedSwiglu(gate: Tensor, up: Tensor): Tensor {
  return differentiable({
    inputs: [gate, up],
    forward: () => {
      const [value] = runOwnKernel("SwiGlu", { gate, up });
      return { value, saved: [gate, up, value] };
    },
    backward: (dy, [gate, up, y]) => runOwnKernel("SwiGluGrad", { dy, gate, up, y }),
  });
}

function composedSwiglu(gate: Tensor, up: Tensor): Tensor {
  return differentiable({
    inputs: [gate, up],
    forward: () => {
      const sigmoid = tf.sigmoid(gate);
      return { value: tf.mul(tf.mul(gate, sigmoid), up), saved: [gate, up, sigmoid] };
    },
    backward: (dy, [gate, up, sigmoid]) => {
      const silu = tf.mul(gate, sigmoid);
      const slope = tf.add(sigmoid, tf.mul(silu, tf.sub(tf.scalar(1), sigmoid)));
      return [tf.mul(tf.mul(dy, up), slope), tf.mul(dy, silu)];
    },
  });
}

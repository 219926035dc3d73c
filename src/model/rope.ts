/**
 * @file Rotary positions, half-split layout (NeoX, Llama, Qwen2): pairs are (i, i + H/2).
 * Shapes: B batch row, S sequence, N heads, H head size.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { hasOwnKernel, runOwnKernel } from "../backend/own-kernels.ts";
import { differentiable } from "./custom-grad.ts";
import { rotaryFrequencies, type RotaryShape } from "./rope-scaling.ts";

export interface RopeTables {
  /** [B, S, H]; both halves equal. */
  readonly cos: Tensor;
  /** [B, S, H]; the first half is negated, so that rotating by 90 degrees is a mere swap of the halves. */
  readonly sin: Tensor;
}

/** Cosines and sines of every position's angles, computed in doubles: GPU sines are only good to 2e-4. */
export function ropeTables(positionIds: Int32Array, shape: RotaryShape & { readonly batchSize: number }): RopeTables {
  const { batchSize, headDim } = shape;
  const half = headDim / 2;
  const { frequencies, magnitude } = rotaryFrequencies(shape, 1 + positionIds.reduce((largest, position) => Math.max(largest, position), -1));
  const cos = new Float32Array(positionIds.length * headDim);
  const sin = new Float32Array(positionIds.length * headDim);
  for (const [row, position] of positionIds.entries()) {
    for (let i = 0; i < half; i++) {
      const angle = position * (frequencies[i] ?? 0);
      const at = row * headDim + i;
      cos[at] = cos[at + half] = magnitude * Math.cos(angle);
      sin[at + half] = magnitude * Math.sin(angle);
      sin[at] = -magnitude * Math.sin(angle);
    }
  }
  const tableShape: [number, number, number] = [batchSize, positionIds.length / batchSize, headDim];
  return { cos: tf.tensor3d(cos, tableShape), sin: tf.tensor3d(sin, tableShape) };
}

/**
 * The vectors of `x_BNSH` rotated by their position's angles. The gradient is the rotation back.
 *
 * @see Su et al. 2021, RoFormer, eq. 34
 */
export function rope(x_BNSH: Tensor, tables: RopeTables): Tensor {
  return hasOwnKernel("Rope", x_BNSH) ? fusedRope(x_BNSH, tables, "Rope") : composedRope(x_BNSH, tables);
}

/** `rope` of x [B, S, N, H], on backends with the kernel. */
export function ropeRows(x_BSNH: Tensor, tables: RopeTables): Tensor {
  return fusedRope(x_BSNH, tables, "RopeRows");
}

function fusedRope(x: Tensor, { cos, sin }: RopeTables, kernel: "Rope" | "RopeRows"): Tensor {
  return differentiable({
    inputs: [x],
    forward: () => ({ value: runOwnKernel(kernel, { x, cos, sin }, { inverse: false })[0], saved: [cos, sin] }),
    backward: (dy, [cos, sin]) => [...runOwnKernel(kernel, { x: dy, cos, sin }, { inverse: true })],
  });
}

function composedRope(x_BNSH: Tensor, tables: RopeTables): Tensor {
  const [batchSize = 0, , length = 0, headDim = 0] = x_BNSH.shape;
  const perHead = [batchSize, 1, length, headDim];
  return differentiable({
    inputs: [x_BNSH],
    forward: () => {
      const cos = tf.reshape(tables.cos, perHead);
      const sin = tf.reshape(tables.sin, perHead);
      return { value: tf.add(tf.mul(x_BNSH, cos), tf.mul(swapHalves(x_BNSH), sin)), saved: [cos, sin] };
    },
    backward: (dy, [cos, sin]) => [tf.sub(tf.mul(dy, cos), tf.mul(swapHalves(dy), sin))],
  });
}

function swapHalves(x: Tensor): Tensor {
  return tf.concat(tf.split(x, 2, -1).reverse(), -1);
}

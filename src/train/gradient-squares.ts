/** @file The sum of the squares of all gradients: on the host number by number, on a device there, in sums few enough to be read. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { borrowFloats, readFloats } from "../backend/host-memory.ts";
import { offersOwnKernel, runOwnKernel } from "../backend/own-kernels.ts";

type Gradients = ReadonlyMap<string, Tensor>;

export interface GradientSquares {
  readonly total: number;
  /** Parameters whose gradient has a NaN or an infinite number. */
  readonly nonFinite: readonly string[];
}

/** Of gradients in this process's memory. */
export function hostSquares(gradients: Gradients): GradientSquares {
  let total = 0;
  const nonFinite: string[] = [];
  for (const [name, gradient] of gradients) {
    const squares = sumOfSquares(borrowFloats(gradient));
    if (!Number.isFinite(squares)) nonFinite.push(name);
    total += squares;
  }
  return { total, nonFinite };
}

/** Four sums side by side, so that an addition need not wait for the one before. */
function sumOfSquares(values: Float32Array): number {
  const whole = values.length - (values.length % 4);
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < whole; i += 4) {
    a += values[i]! * values[i]!;
    b += values[i + 1]! * values[i + 1]!;
    c += values[i + 2]! * values[i + 2]!;
    d += values[i + 3]! * values[i + 3]!;
  }
  for (let i = whole; i < values.length; i++) a += values[i]! * values[i]!;
  return a + b + (c + d);
}

/** Numbers that a device adds up to one. */
const RUN = 1024;
/** Numbers of short gradients that are joined before they are squared: hundreds of adapters would be hundreds of tiny kernels. */
const JOINED = 1 << 22;

/** On a device: one-dimensional tensors whose numbers add up to the sum of all squares. */
export function partialSquares(gradients: Gradients): Tensor[] {
  if (offersOwnKernel("SquareSums")) return runOwnKernel("SquareSums", [...gradients.values()]);
  return groupsOf([...gradients.values()]).map((group) =>
    tf.tidy(() => {
      const padding = (RUN - (sizeOf(group) % RUN)) % RUN;
      const flat = tf.concat([...group.map((gradient) => tf.reshape(gradient, [-1])), ...(padding === 0 ? [] : [tf.zeros([padding])])], 0);
      return tf.sum(tf.square(tf.reshape(flat, [-1, RUN])), 1);
    }),
  );
}

function groupsOf(gradients: readonly Tensor[]): Tensor[][] {
  const groups: Tensor[][] = [];
  for (const gradient of gradients) {
    const last = groups.at(-1);
    if (last !== undefined && sizeOf(last) + gradient.size <= JOINED) last.push(gradient);
    else groups.push([gradient]);
  }
  return groups;
}

function sizeOf(tensors: readonly Tensor[]): number {
  return tensors.reduce((size, tensor) => size + tensor.size, 0);
}

/** From the numbers of `partialSquares`; only gradients that are not finite are looked at again. */
export async function squaresOfParts(parts: Float32Array, gradients: Gradients): Promise<GradientSquares> {
  const total = parts.reduce((sum, part) => sum + part, 0);
  return { total, nonFinite: Number.isFinite(total) ? [] : await nonFiniteNames(gradients) };
}

async function nonFiniteNames(gradients: Gradients): Promise<string[]> {
  const sums = tf.tidy(() => tf.stack([...gradients.values()].map((gradient) => tf.sum(tf.square(gradient)))));
  const squares = await readFloats(sums);
  const names = [...gradients.keys()].filter((_, i) => !Number.isFinite(squares[i]));
  sums.dispose();
  return names;
}

/** @file Bicubic interpolation of a stored grid of position embeddings to another grid, as PyTorch's interpolate does it. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";

/** PyTorch's cubic coefficient; Pillow's is -0.5. */
const CUBIC = -0.75;

/**
 * The [rows * columns, C] embeddings of a grid, from a stored square grid [side * side, C].
 * align_corners false, no antialiasing, border clamped; the stored size gives the stored values.
 */
export function interpolatePositions(stored: Tensor, [rows, columns]: readonly [number, number]): Tensor {
  const [count = 0, channels = 0] = stored.shape;
  const side = Math.sqrt(count);
  if (rows === side && columns === side) return stored;
  const byRow = tf.matMul(cubicMatrix(side, rows), tf.reshape(stored, [side, side * channels]));
  const columnsFirst = tf.reshape(tf.transpose(tf.reshape(byRow, [rows, side, channels]), [1, 0, 2]), [side, rows * channels]);
  const both = tf.reshape(tf.matMul(cubicMatrix(side, columns), columnsFirst), [columns, rows, channels]);
  return tf.reshape(tf.transpose(both, [1, 0, 2]), [rows * columns, channels]);
}

function cubicMatrix(from: number, to: number): Tensor {
  return tf.tensor2d(cubicWeights(from, to), [to, from]);
}

/** [to, from], row-major: the weights by which each of `to` samples is made of `from` stored ones. */
export function cubicWeights(from: number, to: number): Float32Array {
  const weights = new Float64Array(to * from);
  for (let sample = 0; sample < to; sample++) {
    const centre = ((sample + 0.5) * from) / to - 0.5;
    const first = Math.floor(centre) - 1;
    for (let tap = first; tap < first + 4; tap++) {
      const at = sample * from + Math.min(Math.max(tap, 0), from - 1);
      weights[at] = (weights[at] ?? 0) + cubic(Math.abs(centre - tap));
    }
  }
  return Float32Array.from(weights);
}

/** Keys' cubic convolution kernel at a distance. */
function cubic(distance: number): number {
  if (distance <= 1) return ((CUBIC + 2) * distance - (CUBIC + 3)) * distance ** 2 + 1;
  return distance < 2 ? (((distance - 5) * distance + 8) * distance - 4) * CUBIC : 0;
}

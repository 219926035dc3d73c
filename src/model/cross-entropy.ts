/** @file Cross entropy of selected positions. Shapes: M positions, V vocabulary. */
import * as tf from "@tensorflow/tfjs-core";
import type { Scalar, Tensor } from "@tensorflow/tfjs-core";
import { differentiable } from "./custom-grad.ts";

/**
 * -log softmax(logits)[label] of every row, [M], and its sum over the rows; a row with a negative label counts 0.
 * Safe for logits of any size: the row's maximum is taken off first. Gradient: softmax - onehot.
 */
export function maskedCrossEntropy(logits_MV: Tensor, labels: Int32Array): { sum: Scalar; losses: Tensor } {
  const losses = rowLosses(logits_MV, labels);
  return { sum: tf.sum(losses), losses };
}

function rowLosses(logits: Tensor, labels: Int32Array): Tensor {
  const [rows = 0, vocabSize = 0] = logits.shape;
  return differentiable({
    inputs: [logits],
    forward: () => {
      const largest = tf.max(logits, 1, true);
      const shifted = tf.sub(logits, largest);
      const logSum = tf.log(tf.sum(tf.exp(shifted), 1, true));
      // cast: some backends ignore oneHot's dtype. A negative label gives a row of zeros.
      const target = tf.cast(tf.oneHot(tf.tensor1d(labels, "int32"), vocabSize), "float32");
      const isCounted = tf.tensor2d(Float32Array.from(labels, (label) => (label < 0 ? 0 : 1)), [rows, 1]);
      const picked = tf.sum(tf.mul(shifted, target), 1, true);
      const value = tf.reshape(tf.mul(tf.sub(logSum, picked), isCounted), [rows]);
      return { value, saved: [tf.sub(shifted, logSum), target, isCounted] };
    },
    backward: (dy, [logProbs, target, isCounted]) => {
      const weight = tf.mul(tf.reshape(dy, [rows, 1]), isCounted);
      return [tf.mul(tf.sub(tf.exp(logProbs), target), weight)];
    },
  });
}

/** @file Cross entropy of selected positions. Shapes: M positions, V vocabulary. */
import * as tf from "@tensorflow/tfjs-core";
import type { Scalar, Tensor } from "@tensorflow/tfjs-core";
import { hasOwnKernel, runOwnKernel } from "../backend/own-kernels.ts";
import { differentiable } from "./custom-grad.ts";

/**
 * -log softmax(logits)[label] of every row, [M], and its sum over the rows, each times its weight; a row with a negative
 * label counts 0. Safe for logits of any size: the row's maximum is taken off first. Gradient: weight * (softmax - onehot).
 */
export function maskedCrossEntropy(logits_MV: Tensor, labels: Int32Array, weights?: Float32Array): { sum: Scalar; losses: Tensor } {
  const losses = rowLosses(logits_MV, labels);
  return { sum: tf.sum(weights === undefined ? losses : tf.mul(losses, tf.tensor1d(weights))), losses };
}

function rowLosses(logits: Tensor, labels: Int32Array): Tensor {
  return hasOwnKernel("CrossEntropy", logits) ? fusedLosses(logits, labels) : composedLosses(logits, labels);
}

function fusedLosses(logits: Tensor, labels: Int32Array): Tensor {
  return differentiable({
    inputs: [logits],
    forward: () => {
      const columns = tf.tensor1d(Float32Array.from(labels, (label) => Math.max(0, label)));
      const counted = tf.tensor1d(isCounted(labels));
      const [value, logProbs] = runOwnKernel("CrossEntropy", { logits, labels: columns, counted });
      return { value, saved: [logProbs, columns, counted] };
    },
    backward: (dy, [logProbs, columns, counted]) => [...runOwnKernel("CrossEntropyGrad", { logProbs, labels: columns, weight: tf.mul(dy, counted) })],
  });
}

function composedLosses(logits: Tensor, labels: Int32Array): Tensor {
  const [rows = 0, vocabSize = 0] = logits.shape;
  return differentiable({
    inputs: [logits],
    forward: () => {
      const largest = tf.max(logits, 1, true);
      const shifted = tf.sub(logits, largest);
      const logSum = tf.log(tf.sum(tf.exp(shifted), 1, true));
      // cast: some backends ignore oneHot's dtype. A negative label gives a row of zeros.
      const target = tf.cast(tf.oneHot(tf.tensor1d(labels, "int32"), vocabSize), "float32");
      const counted = tf.tensor2d(isCounted(labels), [rows, 1]);
      const picked = tf.sum(tf.mul(shifted, target), 1, true);
      const value = tf.reshape(tf.mul(tf.sub(logSum, picked), counted), [rows]);
      return { value, saved: [tf.sub(shifted, logSum), target, counted] };
    },
    backward: (dy, [logProbs, target, counted]) => {
      const weight = tf.mul(tf.reshape(dy, [rows, 1]), counted);
      return [tf.mul(tf.sub(tf.exp(logProbs), target), weight)];
    },
  });
}

/** 1 where a row has a label, 0 where not. */
function isCounted(labels: Int32Array): Float32Array {
  return Float32Array.from(labels, (label) => (label < 0 ? 0 : 1));
}

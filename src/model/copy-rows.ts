/** @file Rows copied between tensors; the target keeps its memory where the backend can write into it. Shapes: H last dimension of the target. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { borrowFloats, hasHostMemory } from "../backend/host-memory.ts";
import { hasOwnKernel, runOwnKernel } from "../backend/own-kernels.ts";

/** Row from[i] of the source goes to row to[i] of the target, both seen as [rows, H]. No target row twice. */
export interface RowMap {
  readonly from: Int32Array;
  readonly to: Int32Array;
}

export interface RowCopy {
  /** Borrowed. */
  readonly source: Tensor;
  /** Used up: the result stands for it. Its memory is no other tensor's. */
  readonly target: Tensor;
}

/** Copies the same rows for every pair, and returns the targets, kept: themselves, or new tensors where a backend cannot change one. */
export function copyRows(pairs: readonly RowCopy[], rows: RowMap): Tensor[] {
  if (hasHostMemory()) return pairs.map((pair) => copyInMemory(pair, rows));
  const [first] = pairs;
  return first !== undefined && hasOwnKernel("CopyRows", first.source) ? copyOnDevice(pairs, rows) : pairs.map((pair) => copyToNewTensor(pair, rows));
}

/** Rows that lie one behind the other on both sides move at once. */
function copyInMemory({ source, target }: RowCopy, { from, to }: RowMap): Tensor {
  const width = target.shape.at(-1) ?? 0;
  const [read, written] = [borrowFloats(source), borrowFloats(target)];
  for (let start = 0, end = 0; start < from.length; start = end) {
    const [first = 0, place = 0] = [from[start], to[start]];
    do end++;
    while (end < from.length && from[end] === first + end - start && to[end] === place + end - start);
    written.set(read.subarray(first * width, (first + end - start) * width), place * width);
  }
  return target;
}

function copyOnDevice(pairs: readonly RowCopy[], rows: RowMap): Tensor[] {
  const [from, to] = [tf.tensor1d(rows.from, "int32"), tf.tensor1d(rows.to, "int32")];
  for (const { source, target } of pairs) runOwnKernel("CopyRows", { source, target, from, to });
  tf.dispose([from, to]);
  return pairs.map(({ target }) => target);
}

function copyToNewTensor({ source, target }: RowCopy, { from, to }: RowMap): Tensor {
  const width = target.shape.at(-1) ?? 0;
  const copied = tf.tidy(() => {
    const rows = tf.gather(tf.reshape(source, [-1, width]), tf.tensor1d(from, "int32"));
    return tf.keep(tf.reshape(tf.tensorScatterUpdate(tf.reshape(target, [-1, width]), tf.tensor2d(to, [to.length, 1], "int32"), rows), target.shape));
  });
  target.dispose();
  return copied;
}

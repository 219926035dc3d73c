/**
 * @file Rows of a table by index. The gradient adds up the rows that were taken several times in an order of its own, by a
 * kernel or by pairs: deterministic, and without UnsortedSegmentSum, which costs rows times table in tfjs's own kernels.
 * Shapes: R rows of the table, M rows taken, D width.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { hasOwnKernel, runOwnKernel } from "../backend/own-kernels.ts";
import { differentiable } from "./custom-grad.ts";

/** Rows `index` of a table [R, D] as [M, D]. */
export function gatherRows(table_RD: Tensor, index: Int32Array): Tensor {
  const [rows = 0] = table_RD.shape;
  return differentiable({
    inputs: [table_RD],
    forward: () => ({ value: pick(table_RD, index), saved: [] }),
    backward: (dy) => [scatterAddRows(dy, index, rows)],
  });
}

/** [rows, D] with every row m of `values` [M, D] added to row index[m]. */
function scatterAddRows(values: Tensor, index: Int32Array, rows: number): Tensor {
  if (hasOwnKernel("SumRows", values)) return sumsOfLists(values, index, rows);
  let sources = sourcesByRow(index);
  let sums = values;
  while ([...sources.values()].some((list) => list.length > 1)) ({ sums, sources } = addPairs(sums, sources));
  const nowhere = sums.shape[0];
  return pick(withZeroRow(sums), Int32Array.from({ length: rows }, (_, row) => sources.get(row)?.[0] ?? nowhere));
}

/** Rows that one thread adds up: of longer lists the parts come first, side by side. */
const RUN = 32;

function sumsOfLists(values: Tensor, index: Int32Array, rows: number): Tensor {
  const sources = sourcesByRow(index);
  let lists = Array.from({ length: rows }, (_, row): readonly number[] => sources.get(row) ?? []);
  let sums = values;
  while (lists.some(({ length }) => length > RUN)) {
    const runs: (readonly number[])[] = [];
    lists = lists.map((list) => {
      const first = runs.length;
      for (let start = 0; start < list.length; start += RUN) runs.push(list.slice(start, start + RUN));
      return Array.from({ length: runs.length - first }, (_, i) => first + i);
    });
    sums = sumOfEach(sums, runs);
  }
  return sumOfEach(sums, lists);
}

function sumOfEach(values: Tensor, lists: readonly (readonly number[])[]): Tensor {
  const members = lists.reduce((count, { length }) => count + length, 0);
  const joined = new Int32Array(lists.length + 1 + members);
  let end = 0;
  for (const [i, list] of lists.entries()) {
    joined[i] = end;
    joined.set(list, lists.length + 1 + end);
    end += list.length;
  }
  joined[lists.length] = end;
  return runOwnKernel("SumRows", { values, lists: tf.tensor1d(joined, "int32") }, { rows: lists.length })[0];
}

type Sources = ReadonlyMap<number, readonly number[]>;

function sourcesByRow(index: Int32Array): Sources {
  const sources = new Map<number, number[]>();
  for (const [position, row] of index.entries()) {
    const list = sources.get(row);
    if (list === undefined) sources.set(row, [position]);
    else list.push(position);
  }
  return sources;
}

/** Halves every list: neighbours are added, an odd one out is added to zero. */
function addPairs(values: Tensor, sources: Sources): { sums: Tensor; sources: Sources } {
  const nowhere = values.shape[0];
  const left: number[] = [];
  const right: number[] = [];
  const halved = new Map<number, number[]>();
  for (const [row, list] of sources) {
    const places: number[] = [];
    for (let i = 0; i < list.length; i += 2) {
      places.push(left.length);
      left.push(list[i] ?? nowhere);
      right.push(list[i + 1] ?? nowhere);
    }
    halved.set(row, places);
  }
  const padded = withZeroRow(values);
  return { sums: tf.add(pick(padded, Int32Array.from(left)), pick(padded, Int32Array.from(right))), sources: halved };
}

function withZeroRow(values: Tensor): Tensor {
  return tf.concat([values, tf.zeros([1, values.shape[1] ?? 0])], 0);
}

function pick(table: Tensor, index: Int32Array): Tensor {
  return tf.gather(table, tf.tensor1d(index, "int32"));
}

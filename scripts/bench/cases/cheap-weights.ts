/** @file Weights for timing: random numbers of the usual size, but one short block over and over; drawing 500 million takes a minute. */
import { rng } from "../../../src/core/rng.ts";
import { expectedParameters } from "../../../src/model/checkpoints/expected-parameters.ts";
import type { ModelConfig } from "../../../src/model/config.ts";
import { packsOf } from "../../../src/model/frozen-base.ts";
import { ParamStore } from "../../../src/model/params.ts";
import { frozenBase } from "../backend.ts";

/** A prime, so that no two rows of a matrix are alike. */
const BLOCK = 262_139;

/** The weights whose names begin with `prefix`. The head is left out: Qwen2-0.5B's is its embedding table. */
export function cheapWeights(config: ModelConfig, prefix: string): ParamStore {
  const block = randomBlock();
  const store = new ParamStore(packsOf(frozenBase()));
  for (const [name, shape] of expectedParameters(config)) {
    if (!name.startsWith(prefix) || name.endsWith("lm_head.weight")) continue;
    const size = shape.reduce((product, side) => product * side, 1);
    store.load(name, shape.length === 1 ? new Float32Array(size).fill(plainValue(name)) : tiled(block, size, scaleOf(shape)), shape);
  }
  return store;
}

/** Uniform in [-1, 1), with the same block over and over. */
export function noise(size: number): Float32Array {
  return tiled(randomBlock(), size, 1);
}

function randomBlock(): Float32Array {
  const draw = rng(1, "bench");
  return Float32Array.from({ length: BLOCK }, () => 2 * draw.uniform() - 1);
}

/** Norms leave sizes alone, layer scales and biases are small. */
function plainValue(name: string): number {
  return /norm\d?\.weight$/.test(name) ? 1 : 0.01;
}

/** Keeps the size of what it is multiplied with; a uniform number's deviation is 1 / sqrt(3). */
function scaleOf(shape: readonly number[]): number {
  return Math.sqrt(3 / shape.slice(1).reduce((product, side) => product * side, 1));
}

function tiled(block: Float32Array, size: number, scale: number): Float32Array {
  const values = new Float32Array(size);
  values.set(block.subarray(0, size).map((value) => value * scale));
  for (let filled = Math.min(block.length, size); filled < size; filled *= 2) values.copyWithin(filled, 0, Math.min(filled, size - filled));
  return values;
}

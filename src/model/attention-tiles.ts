/**
 * @file Tiles: the parts of a row's score matrix that attention computes. Queries are cut into chunks; a chunk meets its
 * own keys and those of the chunks before it that its trees reach into. What lies above the diagonal or in other trees is
 * never computed, so cost grows with the length of trees, not of rows.
 * Shapes: B batch row, S sequence.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import type { Batch } from "../curriculum/batch.ts";
import { MASKED } from "../curriculum/tree-mask.ts";

/** Static, part of a compiled block's name. */
export interface Tiling {
  /** Queries of a tile. */
  readonly chunk: number;
  /** Chunks before its own that a tile holds the keys of. */
  readonly lookback: number;
}

/** Queries [start, end) and keys [firstKey, endKey). */
export interface Tile {
  readonly start: number;
  readonly end: number;
  readonly firstKey: number;
  readonly endKey: number;
}

/** A mask in the order of its tiles, each [queries, keys]: [B, pairs], 0 where the query sees the key, MASKED elsewhere. */
export interface TiledBias {
  readonly bias: Tensor;
  readonly tiling: Tiling;
}

/** Scores of all heads together fit the cache of a core, and products are large enough: 32 to 128 cost the same within 10%. */
const CHUNK = 64;

/** The tree mask of a batch in tiles that hold every pair that sees each other. */
export function treeMask(batch: Pick<Batch, "seenUntil" | "batchSize" | "length">, chunk = CHUNK): TiledBias {
  const tiling = { chunk, lookback: treeLookback(batch, chunk) };
  return { bias: tf.tensor2d(tileBias(batch, tiling), [batch.batchSize, pairsOf(tilesOf(batch.length, tiling))]), tiling };
}

/** The tiles of a row of `length` positions, in order; the last may be shorter. */
export function tilesOf(length: number, { chunk, lookback }: Tiling): Tile[] {
  return Array.from({ length: Math.ceil(length / chunk) }, (_, i) => {
    const end = Math.min(length, (i + 1) * chunk);
    return { start: i * chunk, end, firstKey: Math.max(0, i - lookback) * chunk, endKey: end };
  });
}

/** Query-key pairs that are computed. */
export function pairsOf(tiles: readonly Tile[]): number {
  return tiles.reduce((sum, { start, end, firstKey, endKey }) => sum + (end - start) * (endKey - firstKey), 0);
}

/** Chunks that the farthest look back leaves; rounded up to a power of two, so that batches share a few compiled graphs. */
function treeLookback({ seenUntil, length }: Pick<Batch, "seenUntil" | "length">, chunk: number): number {
  const chunks = Math.ceil(length / chunk);
  const farthest = seenUntil.reduce((most, end, at) => Math.max(most, Math.floor((end - 1) / chunk) - Math.floor((at % length) / chunk)), 0);
  return farthest === 0 ? 0 : Math.min(chunks - 1, 2 ** Math.ceil(Math.log2(farthest)));
}

function tileBias({ seenUntil, batchSize, length }: Pick<Batch, "seenUntil" | "batchSize" | "length">, tiling: Tiling): Float32Array {
  const tiles = tilesOf(length, tiling);
  const bias = new Float32Array(batchSize * pairsOf(tiles)).fill(MASKED);
  let line = 0;
  for (let row = 0; row < batchSize; row++) {
    for (const { start, end, firstKey, endKey } of tiles) {
      for (let query = start; query < end; query++, line += endKey - firstKey) {
        for (let key = firstKey; key <= query; key++) if (query < (seenUntil[row * length + key] ?? 0)) bias[line + key - firstKey] = 0;
      }
    }
  }
  return bias;
}

/** @file The tree mask of a batch in the form that the backend attends with. */
import type { Batch } from "../curriculum/batch.ts";
import { type TiledBias, treeMask } from "./attention-tiles.ts";
import { offersFusedAttention, type SeenUntil, seenUntilMask } from "./fused-attention.ts";

export type BatchMask = TiledBias | SeenUntil;

export function batchMask(batch: Pick<Batch, "seenUntil" | "batchSize" | "length">): BatchMask {
  return offersFusedAttention() ? seenUntilMask(batch) : treeMask(batch);
}

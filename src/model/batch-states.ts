/** @file From a batch with its clips to decoder states: towers, embeddings, tree mask and decoder in one call. */
import type { Tensor } from "@tensorflow/tfjs-core";
import type { BatchMedia } from "../curriculum/batch-media.ts";
import type { Batch } from "../curriculum/batch.ts";
import { batchFeatures } from "./batch-features.ts";
import { batchMask } from "./batch-mask.ts";
import type { ModelConfig } from "./config.ts";
import { embedBatch, hiddenStates } from "./emoverse.ts";
import type { Params } from "./params.ts";

export interface BatchWithMedia {
  readonly batch: Batch;
  readonly media: BatchMedia;
}

/** Decoder states [B * S, D] after the final norm, for `logitsAt`; to be called inside tf.tidy. */
export function batchStates(params: Params, config: ModelConfig, { batch, media }: BatchWithMedia): Tensor {
  return hiddenStates(params, config, {
    embeds_BSD: embedBatch(params, config, batch, batchFeatures(params, config, media)),
    positionIds: batch.positionIds,
    ...batchMask(batch),
  });
}

/** @file What may not change between stopping a stage and going on with it. */
import type { RunConfig, StageConfig } from "../config/index.ts";
import { sha256 } from "../core/hash.ts";

/** Hash of everything that decides a step's numbers; the backend, the workers and the caches do not. */
export function configHash({ seed, model, data, levels }: RunConfig, stage: StageConfig): string {
  const { checkpoints: _, ...decisive } = stage;
  return sha256(JSON.stringify({ seed, model, levels, stage: decisive, data: { root: data.root, frames: data.frames, conversationClip: data.conversationClip, onBad: data.onBad, modalities: data.modalities } }));
}

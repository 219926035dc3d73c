/** @file Samples, rows and media for the toy model: clips with frames and sound, several tasks on a clip, text alone. */
import { tensor } from "@tensorflow/tfjs-core";
import { initRandom } from "../../src/model/init.ts";
import { ParamStore } from "../../src/model/params.ts";
import { buildBatch, type Batch } from "../../src/curriculum/batch.ts";
import type { PackedRow } from "../../src/curriculum/packed-row.ts";
import { rng } from "../../src/core/rng.ts";
import type { BatchMedia, ClipArray } from "../../src/curriculum/batch-media.ts";
import type { TaskName } from "../../src/tasks/task.ts";
import type { EncodedSample, MediaSlot } from "../../src/text/encoded-sample.ts";
import { toySample } from "../curriculum/toy-samples.ts";
import { toyConfig } from "../model/toy-model.ts";

/** Of the toy model, with two frames per clip. */
export const TOY_MEDIA_ROWS = { videoTokens: 8, audioTokens: 3 } as const;
const FRAMES = 2;
const TOKENS_PER_FRAME = 4;
/** What stands under a feature; its embedding must never be read. */
const PLACEHOLDER = 31;

/** A toy model with random weights on the current backend; larger weights than at the start of training, so that nothing is nearly zero. */
export function toyWeights(seed = 1): ParamStore {
  const store = new ParamStore();
  initRandom(toyConfig, seed, store);
  for (const name of store.names()) {
    const draw = rng("toy weights", seed, name);
    const isMatrix = store.get(name).rank > 1;
    const values = Float32Array.from(store.get(name).dataSync(), (value) => (name.endsWith("lm_head.weight") ? 0.5 * draw.normal() : isMatrix ? value : value + 0.3 * draw.normal()));
    store.set(name, tensor(values, store.get(name).shape));
  }
  store.setTrainable(store.names());
  return store;
}

/** Samples of one clip, a branch per task; clips named `sound...` are heard only, `text...` have no media. */
export function toyClipSamples(clip: string, tasks: readonly TaskName[], { answer = 3 } = {}): EncodedSample[] {
  const draw = rng("toy row", clip);
  const words = (count: number): number[] => Array.from({ length: count }, () => 1 + draw.integer(29));
  const prefix = words(3);
  const slots: MediaSlot[] = [];
  const place = (modality: MediaSlot["modality"], count: number, offset: number): void => {
    slots.push({ modality, clip, position: prefix.length, count, offset });
    prefix.push(...new Array<number>(count).fill(PLACEHOLDER), ...words(1));
  };
  if (!clip.startsWith("text") && !clip.startsWith("sound")) for (let frame = 0; frame < FRAMES; frame++) place("video", TOKENS_PER_FRAME, frame * TOKENS_PER_FRAME);
  if (!clip.startsWith("text")) place("audio", TOY_MEDIA_ROWS.audioTokens, 0);
  prefix.push(...words(2));
  return tasks.map((task) => toySample({ id: `${clip}:${task}`, task, prefixKey: clip, prefix, slots, branch: words(3 + answer + draw.integer(3)), answer }));
}

export function toyBatch(...rows: readonly PackedRow[]): Batch {
  return buildBatch(rows, TOY_MEDIA_ROWS);
}

/** Pixels and log-mel of a batch's clips; a clip's numbers depend on its name alone. */
export function toyMedia({ videoClips, audioClips }: Pick<Batch, "videoClips" | "audioClips">): BatchMedia {
  return {
    ...(videoClips.length === 0 ? {} : { pixels: clipArray("pixels", videoClips, [FRAMES, 16, 16, 3]) }),
    ...(audioClips.length === 0 ? {} : { mel: clipArray("mel", audioClips, [4, 24]) }),
  };
}

function clipArray(kind: string, clips: readonly string[], shape: readonly number[]): ClipArray {
  const size = shape.reduce((product, side) => product * side, 1);
  const values = clips.flatMap((clip) => {
    const draw = rng("toy media", kind, clip);
    return Array.from({ length: size }, () => draw.normal());
  });
  return { values: Float32Array.from(values), shape: [clips.length, ...shape] };
}

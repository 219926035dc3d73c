/** @file TimeEstimate: how long a stage's arithmetic takes, from sizes and a device's rate of matrix products; nothing is loaded. */
import type { Kept } from "../backend/blocks.ts";
import type { ModelConfig } from "../model/config.ts";
import { PARTS } from "../model/emoverse.ts";
import { decoderNumbers, forwardFlops, type MediaCounts } from "../model/flops.ts";
import { isLora } from "../model/lora.ts";
import { type Shapes, sizeOfShape } from "../model/params.ts";

export interface TimeEstimate {
  /** 1e12 floating-point operations, forward and backward. */
  readonly teraflops: number;
  /** Null where the device's rate is not known. */
  readonly seconds: number | null;
}

export interface WorkInput {
  readonly config: ModelConfig;
  readonly shapes: Shapes;
  readonly trained: readonly string[];
  /** Of the whole stage: row positions, padding included, and those that are not. */
  readonly positions: number;
  readonly tokens: number;
  readonly trees: number;
  readonly supervised: number;
  /** Frames and sounds, each counted in every batch, and counted once: frozen towers run once for a clip. */
  readonly media: MediaCounts;
  readonly distinct: MediaCounts;
  readonly kept: Kept;
}

/** Share of a device's rate of large products that a step reaches: 53% and 47% measured with a 0.5B decoder, on a CPU and on a GPU. */
const REACHED = 0.5;

/**
 * The work of a stage and its time at `gigaflops`. Reading clips and waiting for small kernels come on top, so that a model of
 * a few million parameters takes longer, on a GPU many times as long.
 */
export function estimateTime(work: WorkInput, gigaflops: number | undefined): TimeEstimate {
  const teraflops = stageFlops(work) / 1e12;
  return { teraflops, seconds: gigaflops === undefined ? null : (teraflops * 1000) / (gigaflops * REACHED) };
}

/** Of the decoder and what is trained, forward once; backward once more for what gradients pass through, and once for what is trained; again forward where little is kept. */
function stageFlops({ config, shapes, trained, positions, tokens, trees, supervised, media, distinct, kept }: WorkInput): number {
  const treeLength = tokens / Math.max(1, trees);
  const forward = forwardFlops(config, { tokens: positions, pairs: (tokens * (treeLength + 1)) / 2, supervised }, media);
  const size = (names: readonly string[]): number => names.reduce((sum, name) => sum + sizeOfShape(shapes.get(name) ?? []), 0);
  const inLayers = (name: string): boolean => name.startsWith(`${PARTS.decoder}.`) && name.includes(".layers.");
  const trainedShare = Math.min(1, size(trained.filter((name) => inLayers(name) && !isLora(name))) / decoderNumbers(config.llm_config));
  const adapters = 2 * positions * size([...shapes.keys()].filter((name) => inLayers(name) && isLora(name) && shapes.get(name)?.length === 2));
  const once = forwardFlops(config, { tokens: 0, pairs: 0, supervised: 0 }, distinct);
  const again = kept === "inputs" ? 1 : 0;
  const trains = (part: string): boolean => trained.some((name) => name.startsWith(`${part}.`));
  const [trainsVision, trainsAudio] = [trains(PARTS.vision), trains(PARTS.audio)];
  return (
    forward.decoder * (2 + trainedShare + again) +
    (adapters + forward.attention) * (3 + again) +
    forward.vocabulary * (trained.some((name) => /(lm_head|language_model\.output)\.weight$/.test(name)) ? 3 : 2) +
    (trainsVision ? forward.vision * (3 + again) : once.vision) +
    forward.visionProjector * (trainsVision || trains(PARTS.visionProjector) ? 3 + again : 1) +
    (trainsAudio ? forward.audio * (3 + again) : once.audio) +
    forward.audioProjector * (trainsAudio || trains(PARTS.audioProjector) ? 3 + again : 1)
  );
}

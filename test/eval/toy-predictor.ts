/** @file A small random model behind the committed tokenizer, and clips of noise for the fixture's records. */
import { join } from "node:path";
import { tensor } from "@tensorflow/tfjs-core";
import { rng } from "../../src/core/rng.ts";
import { batchMedia } from "../../src/curriculum/batch-media.ts";
import { openDataset } from "../../src/data/dataset.ts";
import type { EmtRecord } from "../../src/data/record.ts";
import type { Predictor } from "../../src/eval/predict.ts";
import type { Clip } from "../../src/media/clip.ts";
import { imageSize, modelConfigSchema, tokensPerFrame, tokensPerSound, type ModelConfig } from "../../src/model/config.ts";
import { initRandom } from "../../src/model/init.ts";
import { ParamStore } from "../../src/model/params.ts";
import { chatTemplate } from "../../src/text/chat-template.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { toyConfig } from "../model/toy-model.ts";

export const DATA = join(import.meta.dirname, "../../data");

/** The toy model with as many embeddings as the committed tokenizer has tokens. */
export const TOY_LANGUAGE_CONFIG: ModelConfig = modelConfigSchema.parse({ ...toyConfig, llm_config: { ...toyConfig.llm_config, vocab_size: 1024, max_position_embeddings: 4096 } });

export async function fixtureRecords(): Promise<readonly EmtRecord[]> {
  return (await openDataset(join(DATA, "fixture"))).records("test");
}

/** On the current backend; the caller disposes `params`. */
export async function toyPredictor(records: readonly EmtRecord[]): Promise<Predictor & { readonly params: ParamStore }> {
  const config = TOY_LANGUAGE_CONFIG;
  const mediaTokens = { framesPerClip: 2, tokensPerFrame: tokensPerFrame(config), tokensPerSound: tokensPerSound(config) };
  const clips = new Map(records.flatMap(({ utterances }) => utterances.map(({ id }) => [id, noise(id)] as const)));
  const clipSpec = { frames: 2, imageSize: imageSize(config), melBins: 4, melFrames: 24 };
  return {
    params: decidedWeights(config),
    config,
    encoding: { tokenizer: await loadTokenizer(join(DATA, "tiny-emoverse")), template: chatTemplate(config.template), system: "You are an expert.", modalities: ["video", "audio", "text"], mediaTokens },
    media: (batch) => Promise.resolve(batchMedia(batch, clips, clipSpec)),
    rowTokens: 400,
    pairThreshold: 0.35,
  };
}

/** Random, with a head large enough that no two answers are nearly equal. */
function decidedWeights(config: ModelConfig): ParamStore {
  const params = new ParamStore();
  initRandom(config, 3, params);
  const head = "language_model.lm_head.weight";
  params.set(head, tensor(params.get(head).dataSync<"float32">().map((value) => 40 * value), params.get(head).shape));
  return params;
}

function noise(id: string): Clip {
  const draw = rng("toy clip", id);
  return {
    pixels: Uint8Array.from({ length: 2 * 16 * 16 * 3 }, () => draw.integer(256)),
    mel: Float32Array.from({ length: 4 * 24 }, () => draw.normal()),
  };
}

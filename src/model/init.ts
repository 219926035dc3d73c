/**
 * @file Random start. Each weight is a pure function of (seed, name), so that another config or order never moves it.
 * Scales keep every stream near unit size at any width, so that a small model learns from the first step; the
 * published 0.02 fits widths near a thousand and starves narrow ones.
 */
import { rng } from "../core/rng.ts";
import { expectedParameters } from "./checkpoints/expected-parameters.ts";
import type { ModelConfig } from "./config.ts";
import type { Shape } from "./named-shapes.ts";
import { type ParamStore, sizeOfShape } from "./params.ts";

/** Token embeddings and learned positions: small beside what the layers add, large enough to be told apart at once. */
const EMBEDDING_SCALE = 0.2;
/** Output head: logits near zero, so that the first loss is about ln(vocabulary). */
const HEAD_SCALE = 0.02;
/** Last matrix of each residual branch. */
const BRANCH_OUTPUT = /\.(attn\.proj|mlp\.fc2|self_attn\.o_proj|self_attn\.out_proj|mlp\.down_proj|attention\.wo|feed_forward\.w2|layers\.\d+\.fc2)\.weight$/;
const NORM = /(norm\d?|mlp1\.0|audio_mlp\.0)\.weight$/;

/** Fills `store` with every weight that `config` asks for, or with those that are wanted. */
export function initRandom(config: ModelConfig, seed: number, store: ParamStore, isWanted: (name: string) => boolean = () => true): void {
  for (const [name, shape] of expectedParameters(config)) if (isWanted(name)) store.load(name, initialValues(name, shape, config, seed), shape);
}

function initialValues(name: string, shape: Shape, config: ModelConfig, seed: number): Float32Array {
  const size = sizeOfShape(shape);
  if (name.endsWith(".bias")) return new Float32Array(size);
  if (NORM.test(name) || /\.ls[12]$/.test(name)) return new Float32Array(size).fill(1);
  if (name.endsWith("embed_positions.weight")) return sinusoids(shape);
  const draw = rng(seed, "init", name);
  const scale = standardDeviation(name, shape, config);
  return Float32Array.from({ length: size }, () => scale * draw.normal());
}

/** Linear maps keep the size of their input: 1 / sqrt(fan-in); residual branches share one unit over the depth. */
function standardDeviation(name: string, shape: Shape, config: ModelConfig): number {
  if (/embed_tokens|tok_embeddings|_embedding$/.test(name)) return EMBEDDING_SCALE;
  if (/(lm_head|language_model\.output)\.weight$/.test(name)) return HEAD_SCALE;
  const fanIn = shape.slice(1).reduce((product, side) => product * side, 1);
  return (BRANCH_OUTPUT.test(name) ? 1 / Math.sqrt(2 * depthOf(name, config)) : 1) / Math.sqrt(fanIn);
}

function depthOf(name: string, config: ModelConfig): number {
  if (name.startsWith("vision_model.")) return config.vision_config.num_hidden_layers;
  if (name.startsWith("audio_model.")) return config.audio_config?.encoder_layers ?? 1;
  return config.llm_config.num_hidden_layers;
}

/** Whisper's own start for its positions: sines in the first half of the width, cosines in the second. */
function sinusoids(shape: Shape): Float32Array {
  const [positions = 0, width = 0] = shape;
  const half = width / 2;
  const step = Math.log(10000) / Math.max(1, half - 1);
  return Float32Array.from({ length: positions * width }, (_, i) => {
    const angle = Math.floor(i / width) * Math.exp(-step * ((i % width) % half));
    return i % width < half ? Math.sin(angle) : Math.cos(angle);
  });
}

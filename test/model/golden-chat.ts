/** @file The golden InternVL2-Qwen2 model as our functions see it: weights, config, inputs, causal bias. */
import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { modelConfigSchema, type ModelConfig } from "../../src/model/config.ts";
import { embedBatch, visualFeatures } from "../../src/model/emoverse.ts";
import { LORA_SCALE } from "../../src/model/linear.ts";
import type { ParamStore } from "../../src/model/params.ts";
import { goldenPath } from "../golden/golden.ts";
import { goldenTensors, named, storeOf } from "./support.ts";

const FOLDER = "internvl2-qwen2";
export const IMAGE_TOKEN = 317;
/** alpha 8 over rank 4. */
const SCALE = 2;
export const PEFT_PREFIX = "base_model.model.";

export interface GoldenChat {
  readonly params: ParamStore;
  readonly config: ModelConfig;
  readonly expected: ReadonlyMap<string, Tensor>;
}

export async function goldenChat(): Promise<GoldenChat> {
  return {
    params: storeOf(await goldenTensors(FOLDER, "model.safetensors")),
    config: modelConfigSchema.parse(JSON.parse(readFileSync(goldenPath(FOLDER, "config.json"), "utf8"))),
    expected: await goldenTensors(FOLDER, "expected.safetensors"),
  };
}

/** Puts the golden adapter beside the weights; gives the adapter file's keys. */
export async function addGoldenAdapter(params: ParamStore): Promise<string[]> {
  const adapter = await goldenTensors(FOLDER, "lora", "adapter_model.safetensors");
  for (const [key, tensor] of adapter) {
    const name = key.slice(PEFT_PREFIX.length);
    params.set(name, tensor);
    params.set(name.replace(/lora_[AB]\.weight$/, LORA_SCALE), tf.scalar(SCALE));
  }
  return [...adapter.keys()];
}

export function integers(expected: ReadonlyMap<string, Tensor>, name: string): Int32Array {
  return Int32Array.from(named(expected, name).dataSync());
}

/** Embeddings [B, S, D] of ids with the given tiles' features in the places of the image tokens, in order. */
export function embed({ params, config, expected }: GoldenChat, ids: Int32Array, shape: { batchSize: number; tiles: readonly number[] }): Tensor {
  let next = 0;
  const featureIndex = ids.map((id) => (id === IMAGE_TOKEN ? next++ : -1));
  const pixels = tf.gather(tf.transpose(named(expected, "in.pixel_values"), [0, 2, 3, 1]), tf.tensor1d([...shape.tiles], "int32"));
  const batch = { batchSize: shape.batchSize, length: ids.length / shape.batchSize, inputIds: ids, featureIndex };
  return embedBatch(params, config, batch, shape.tiles.length === 0 ? {} : { visual: visualFeatures(params, config, pixels) });
}

/** [B, S, L] for the last `queries` positions of rows with a key mask [B, L]: causal and masked. */
export function causalBias(mask: ArrayLike<number>, { batchSize, queries }: { batchSize: number; queries: number }): Tensor {
  const keys = mask.length / batchSize;
  const values = new Float32Array(batchSize * queries * keys);
  for (let at = 0; at < values.length; at++) {
    const [key, query, row] = [at % keys, Math.floor(at / keys) % queries, Math.floor(at / keys / queries)];
    values[at] = key <= query + keys - queries && mask[row * keys + key] === 1 ? 0 : -1e9;
  }
  return tf.tensor3d(values, [batchSize, queries, keys]);
}

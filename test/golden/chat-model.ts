/**
 * @file The model of an internvl-chat set, loaded as a user's folder is, and run on the set's padded batches.
 * Shapes: B batch row, S sequence, L keys, D width, V vocabulary, I tiles.
 */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { loadWeights, readModelFolder } from "../../src/model/checkpoints/hf-folder.ts";
import { modelConfigSchema, type ModelConfig } from "../../src/model/config.ts";
import { maskedCrossEntropy } from "../../src/model/cross-entropy.ts";
import type { DecoderInputs } from "../../src/model/decoder.ts";
import { embedBatch, hiddenStates, logitsAt, visualFeatures } from "../../src/model/emoverse.ts";
import { type Packs, ParamStore } from "../../src/model/params.ts";
import type { GoldenSet } from "./golden-set.ts";

export interface ChatModel {
  readonly params: ParamStore;
  readonly config: ModelConfig;
  /** Id of `<IMG_CONTEXT>`. */
  readonly imageToken: number;
  readonly set: GoldenSet;
}

export async function loadChatModel(set: GoldenSet, imageToken: number, packs?: Packs): Promise<ChatModel> {
  const params = new ParamStore(packs);
  const model = await readModelFolder(set.folder);
  await loadWeights(model, params);
  return { params, config: model.config, imageToken, set };
}

/** The same weights under another decoder config; `changes` are fields of config.json's llm_config. */
export function withLlmConfig(model: ChatModel, changes: Readonly<Record<string, unknown>>): ChatModel {
  const { config } = model;
  return { ...model, config: modelConfigSchema.parse({ ...config, llm_config: { ...config.llm_config, ...changes } }) };
}

/** [I, 3, Y, X] as the model takes it, [I, Y, X, 3]. */
export function channelsLast(pixels: Tensor): Tensor {
  return tf.transpose(pixels, [0, 2, 3, 1]);
}

/** Embeddings [B, S, D] of ids, with the given tiles' features in the places of the image tokens, in order. */
export function embed(model: ChatModel, ids: Int32Array, { batchSize, tiles }: { batchSize: number; tiles: readonly number[] }): Tensor {
  const { params, config, set, imageToken } = model;
  let next = 0;
  const featureIndex = tiles.length === 0 ? ids.map(() => -1) : ids.map((id) => (id === imageToken ? next++ : -1));
  const batch = { batchSize, length: ids.length / batchSize, inputIds: ids, featureIndex };
  if (tiles.length === 0) return embedBatch(params, config, batch, {});
  const pixels = tf.gather(channelsLast(set.tensor("in.pixel_values")), tf.tensor1d([...tiles], "int32"));
  return embedBatch(params, config, batch, { visual: visualFeatures(params, config, pixels) });
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

/** The training batch: both sequences with the tiles that are not dummies. */
export function batchInputs(model: ChatModel): DecoderInputs & { readonly bias_BSL: Tensor } {
  const { set } = model;
  const [batchSize = 0, length = 0] = set.tensor("in.input_ids").shape;
  const flags = set.integers("in.image_flags");
  return {
    embeds_BSD: embed(model, set.integers("in.input_ids"), { batchSize, tiles: [...flags.keys()].filter((tile) => flags[tile] === 1) }),
    positionIds: set.integers("in.position_ids"),
    bias_BSL: causalBias(set.integers("in.attention_mask"), { batchSize, queries: length }),
  };
}

/** Logits [B, S, V] of every position. */
export function allLogits({ params, config }: ChatModel, inputs: DecoderInputs): Tensor {
  const [batchSize = 0, length = 0] = inputs.embeds_BSD.shape;
  const hidden = hiddenStates(params, config, inputs);
  return tf.reshape(logitsAt(params, config, hidden, Int32Array.from({ length: batchSize * length }, (_, i) => i)), [batchSize, length, -1]);
}

/** Mean loss of the training batch over all its labels; they are not shifted: position t - 1 predicts label t. */
export function meanLoss(model: ChatModel): tf.Scalar {
  const labels = model.set.integers("in.labels");
  const targets = [...labels.keys()].filter((t) => (labels[t] ?? -1) >= 0);
  const hidden = hiddenStates(model.params, model.config, batchInputs(model));
  const logits = logitsAt(model.params, model.config, hidden, Int32Array.from(targets, (t) => t - 1));
  return tf.div(maskedCrossEntropy(logits, Int32Array.from(targets, (t) => labels[t] ?? -1)).sum, targets.length);
}

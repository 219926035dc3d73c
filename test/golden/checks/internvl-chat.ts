/** @file Kind internvl-chat: vision states, projector, decoder states, logits, losses, cache and generation of a whole model. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { z } from "zod";
import { decoderLayout, rotaryShape } from "../../../src/model/decoder-layout.ts";
import { decode, decoderLayer, decodeWithCache, layerSpec } from "../../../src/model/decoder.ts";
import { PARTS, visualFeatures } from "../../../src/model/emoverse.ts";
import { generateGreedy } from "../../../src/model/generate.ts";
import { pixelShuffle } from "../../../src/model/projector.ts";
import { ropeTables } from "../../../src/model/rope.ts";
import { encodeImages, layersUpTo, patchGrid, visionLayer } from "../../../src/model/vision.ts";
import { answersByPrompt } from "../../model/generated.ts";
import { generateBatch } from "../chat-generation.ts";
import { allLogits, batchInputs, causalBias, channelsLast, embed, loadChatModel, meanLoss, withLlmConfig, type ChatModel } from "../chat-model.ts";
import type { Check } from "../check-set.ts";
import { exact, ofMaximum, relative, type Comparison } from "../comparison.ts";
import type { GoldenSet } from "../golden-set.ts";
import { checkTraining } from "./chat-training.ts";

const generationSchema = z.looseObject({ tiles: z.array(z.number()) });
/** Fields of the decoder's config that a further set of logits was made with. */
const changesSchema = z.record(z.string(), z.unknown());
const schema = z.looseObject({ tokens: z.looseObject({ img_context: z.number() }), num_image_token: z.number().optional(), loss: z.number().optional() });

export async function checkInternvlChat(set: GoldenSet): Promise<Check[]> {
  const { tokens, loss } = set.json(schema);
  const model = await loadChatModel(set, tokens.img_context);
  return [
    { name: "vit.*", run: () => checkVision(model) },
    { name: "vit.rect", run: () => checkRectangle(model) },
    { name: "llm.*", run: () => checkDecoder(model) },
    ...(loss === undefined ? [] : [{ name: "loss", run: () => [relative("loss", numberOf(meanLoss(model)), loss)] }]),
    ...set.names(/^(?!in\.|gen)\w+\.input_ids$/).map((name) => forwardCheck(model, name.slice(0, -".input_ids".length))),
    ...set.names(/^gen\w*\.tokens$/).map((name) => generationCheck(model, name.slice(0, -".tokens".length))),
    ...checkTraining(model),
    { name: "the weights", run: () => (model.params.dispose(), []) },
  ];
}

function checkVision({ params, config, set }: ChatModel): Comparison[] {
  const vision = config.vision_config;
  const pixels = channelsLast(set.tensor("in.pixel_values"));
  const tower = params.scope(PARTS.vision);
  const states = [encodeImages(tower, vision, pixels, 0)];
  for (let i = 0; i < vision.num_hidden_layers; i++) states.push(visionLayer(tower.scope(`encoder.layers.${i}`), vision, states[i] ?? pixels));
  const selected = states[layersUpTo(config.select_layer, vision)] ?? pixels;
  const shuffle = { grid: patchGrid(pixels, vision), side: Math.round(1 / config.downsample_ratio), version: config.ps_version };
  const patches = tf.slice(selected, [0, 1, 0], [-1, -1, -1]);
  return [
    ...states.map((state, i) => [`vit.hidden_states.${i}`, state] as const).filter(([name]) => set.has(name)).map(([name, state]) => ofMaximum(name, state, set.tensor(name))),
    ...compareIfThere(set, "vit.pixel_shuffle", () => pixelShuffle(patches, shuffle)),
    ...compareIfThere(set, "vit.mlp1", () => visualFeatures(params, config, pixels)),
  ];
}

function checkRectangle({ params, config, set }: ChatModel): Comparison[] {
  return compareIfThere(set, "vit.rect.last_hidden_state", () => encodeImages(params.scope(PARTS.vision), config.vision_config, channelsLast(set.tensor("vit.rect.pixel_values"))));
}

/** States after every layer, the last one after the final norm; logits; caches. Compared where a row is not padded. */
function checkDecoder(model: ChatModel): Comparison[] {
  const { params, config: { llm_config: llm }, set } = model;
  const mask = set.integers("in.attention_mask");
  const inputs = batchInputs(model);
  const layout = decoderLayout(llm);
  const [batchSize = 0] = inputs.embeds_BSD.shape;
  const tables = ropeTables(inputs.positionIds, { batchSize, ...rotaryShape(llm, layout) });
  const states: Tensor[] = [inputs.embeds_BSD];
  for (let i = 0; i < llm.num_hidden_layers - 1; i++) {
    const [next] = decoderLayer(params.scope(`${PARTS.decoder}.${layout.layer(i)}`), { x: states[i] ?? inputs.embeds_BSD, ...tables, bias: inputs.bias_BSL }, { layout, spec: layerSpec(llm, "hidden") });
    if (next !== undefined) states.push(next);
  }
  states.push(decode(params.scope(PARTS.decoder), llm, inputs));
  const { fresh } = decodeWithCache(params.scope(PARTS.decoder), llm, inputs);
  return [
    ...states.map((state, i) => [`llm.hidden_states.${i}`, state] as const).filter(([name]) => set.has(name)).map(([name, state]) => ofMaximum(name, state, set.tensor(name), mask)),
    ...compareIfThere(set, "llm.logits", () => allLogits(model, inputs), mask),
    ...fresh.flatMap(({ key, value }, i) => [...compareCache(set, `llm.kv.${i}.key`, key, mask), ...compareCache(set, `llm.kv.${i}.value`, value, mask)]),
  ];
}

/** A cache [B, K, S, H]: the mask of its rows, [B, S], repeated for every head. */
function compareCache(set: GoldenSet, name: string, actual: Tensor, mask: Int32Array): Comparison[] {
  const [, heads = 0, length = 0] = actual.shape;
  const perHead = Int32Array.from({ length: mask.length * heads }, (_, i) => mask[Math.floor(i / (heads * length)) * length + (i % length)] ?? 0);
  return compareIfThere(set, name, () => actual, perHead);
}

/** Logits of a text without pictures, in one pass; under a changed config where expected.json names one. */
function forwardCheck(model: ChatModel, name: string): Check {
  return {
    name: `${name}.logits`,
    run: () => {
      const changes = model.set.json(z.looseObject({ [name]: changesSchema.optional() }))[name] ?? {};
      const ids = model.set.integers(`${name}.input_ids`);
      const [batchSize = 1, length = 0] = model.set.tensor(`${name}.input_ids`).shape;
      const positionIds = Int32Array.from(ids, (_, i) => i % length);
      const changed = withLlmConfig(model, changes);
      const embeds_BSD = embed(changed, ids, { batchSize, tiles: [] });
      return [ofMaximum(`${name}.logits`, allLogits(changed, { embeds_BSD, positionIds, bias_BSL: causalBias(ids.map(() => 1), { batchSize, queries: length }) }), model.set.tensor(`${name}.logits`))];
    },
  };
}

function generationCheck(model: ChatModel, name: string): Check {
  return {
    name: `${name}.*`,
    run: async () => {
      const { set } = model;
      const tiles = generationSchema.parse(set.json(z.looseObject({ [name]: z.unknown() }))[name]).tiles;
      const [batchSize = 1, newTokens = 0] = set.tensor(`${name}.tokens`).shape;
      const prompts = { ids: set.integers(`${name}.input_ids`), mask: set.integers(`${name}.attention_mask`), tiles, batchSize, newTokens };
      const { tokens, logits } = generateBatch(model, prompts);
      const expected = set.integers(`${name}.tokens`);
      return [
        exact(`${name}.tokens`, tokens.flat(), expected),
        ofMaximum(`${name}.step_logits`, logits, set.tensor(`${name}.step_logits`)),
        ...(batchSize === 1 ? [exact(`${name}.tokens, as rows are answered`, await answer(model, { ...prompts }), expected)] : []),
      ];
    },
  };
}

/** The prompt through the program's own generation, which reads packed rows. */
async function answer({ params, config, set, imageToken }: ChatModel, { ids, tiles, newTokens }: { ids: Int32Array; tiles: readonly number[]; newTokens: number }): Promise<number[]> {
  let next = 0;
  const length = ids.length;
  const visual = visualFeatures(params, config, tf.gather(channelsLast(set.tensor("in.pixel_values")), tf.tensor1d([...tiles], "int32")));
  const row = {
    inputIds: ids,
    positionIds: Int32Array.from(ids.keys()),
    featureIndex: ids.map((id) => (id === imageToken ? next++ : -1)),
    seenUntil: new Int32Array(length).fill(length),
    features: () => ({ visual }),
    ends: [length - 1],
  };
  const [tokens = []] = await answersByPrompt(generateGreedy(params, config, { rows: [row], maxNewTokens: newTokens, stopIds: new Set() }));
  return tokens;
}

function compareIfThere(set: GoldenSet, name: string, actual: () => Tensor, mask?: ArrayLike<number>): Comparison[] {
  if (!set.has(name)) return [];
  const expected = set.tensor(name);
  return [ofMaximum(name, tf.reshape(actual(), expected.shape), expected, mask)];
}

function numberOf(value: tf.Scalar): number {
  return value.dataSync()[0] ?? NaN;
}

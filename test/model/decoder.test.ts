import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { decoderLayout } from "../../src/model/decoder-layout.ts";
import { decode, decodeWithCache, decoderLayer, layerSpec, type LayerCache } from "../../src/model/decoder.ts";
import { maskedCrossEntropy } from "../../src/model/cross-entropy.ts";
import { PARTS, hiddenStates, logitsAt } from "../../src/model/emoverse.ts";
import { ropeTables } from "../../src/model/rope.ts";
import { PEFT_PREFIX, addGoldenAdapter, causalBias, embed, goldenChat, integers, type GoldenChat } from "./golden-chat.ts";
import { expectGolden, named, relativeError, useBackend } from "./support.ts";

/** Loss, adapter gradients and norms of expected.json. */
const LOSS = 7.615555286407471;
const LORA_LOSS = 7.172294616699219;
const LORA_GRAD_NORM = 9.641672736571476;
const B = 2;
const S = 28;

let chat: GoldenChat;
let adapted: GoldenChat;
let adapterKeys: string[];

describe.each(["cpu", "onnxruntime"])("on %s", (backend) => {
  beforeAll(async () => {
    await useBackend(backend);
    chat = await goldenChat();
    adapted = await goldenChat();
    adapterKeys = await addGoldenAdapter(adapted.params);
  });

  test("embeddings hold the image features in the places of the image tokens", () => {
    expectGolden(inputs(chat).embeds_BSD, named(chat.expected, "llm.hidden_states.0"), mask());
  });

  test("states after the first layer and after the final norm equal the original's", () => {
    const { config, params, expected } = chat;
    const { embeds_BSD, positionIds, bias_BSL } = inputs(chat);
    const layout = decoderLayout(config.llm_config);
    const tables = ropeTables(positionIds, { batchSize: B, headDim: 16, theta: config.llm_config.rope_theta });

    const [first] = decoderLayer(params.scope(`${PARTS.decoder}.${layout.layer(0)}`), { x: embeds_BSD, ...tables, bias: bias_BSL }, { layout, spec: layerSpec(config.llm_config, "hidden") });
    const last = decode(params.scope(PARTS.decoder), config.llm_config, inputs(chat));

    expectGolden(first!, named(expected, "llm.hidden_states.1"), mask());
    expectGolden(last, named(expected, "llm.hidden_states.2"), mask());
  });

  test("logits, loss and the first layer's cache equal the original's", () => {
    const { config, params, expected } = chat;

    const { fresh } = decodeWithCache(params.scope(PARTS.decoder), config.llm_config, inputs(chat));

    expectGolden(allLogits(chat), named(expected, "llm.logits"), mask());
    expect(meanLoss(chat).arraySync()).toBeCloseTo(LOSS, 3);
    expect(fresh).toHaveLength(2);
    for (const part of ["key", "value"] as const) expectGolden(realPositions(fresh[0]![part]), realPositions(named(expected, `llm.kv.0.${part}`)));
  });

  test("text alone gives the original's logits", () => {
    const ids = integers(chat.expected, "text.input_ids");
    const positionIds = Int32Array.from(ids.keys());
    const one = { batchSize: 1, queries: ids.length };

    const embeds_BSD = embed(chat, ids, { batchSize: 1, tiles: [] });
    const hidden = hiddenStates(chat.params, chat.config, { embeds_BSD, positionIds, bias_BSL: causalBias(ids.map(() => 1), one) });

    expectGolden(logitsAt(chat.params, chat.config, hidden, positionIds), tf.reshape(named(chat.expected, "text.logits"), [ids.length, 320]));
  });

  test("with the adapter, logits, loss and every gradient equal the original's", () => {
    const { params, expected } = adapted;
    const names = [...adapterKeys.map((key) => key.slice(PEFT_PREFIX.length)), ...["0", "1", "3"].flatMap((part) => [`mlp1.${part}.weight`, `mlp1.${part}.bias`])];
    const goldenName = (name: string): string => `grad.${name.startsWith("mlp1") ? "" : PEFT_PREFIX}${name}`;
    expect(names).toHaveLength(34);

    params.setTrainable(names);
    const gradients = tf.grads(() => meanLoss(adapted))(names.map((name) => params.get(name)));

    expectGolden(allLogits(adapted), named(expected, "lora.logits"), mask());
    expect(meanLoss(adapted).arraySync()).toBeCloseTo(LORA_LOSS, 3);
    for (const [i, name] of names.entries()) expectGolden(gradients[i]!, named(expected, goldenName(name)));
    const squares = gradients.map((gradient) => tf.sum(tf.square(gradient)).arraySync() as number);
    expect(Math.sqrt(squares.reduce((a, b) => a + b)) / LORA_GRAD_NORM).toBeCloseTo(1, 4);
  });

  test.each([
    { name: "gen", tiles: [0, 1], batchSize: 1 },
    { name: "genbatch", tiles: [0, 1, 2], batchSize: 2 },
  ])("greedy generation with a cache, set $name, gives the original's tokens and logits", ({ name, tiles, batchSize }) => {
    const { expected } = chat;

    const { tokens, logits } = generate(chat, { ids: integers(expected, `${name}.input_ids`), mask: integers(expected, `${name}.attention_mask`), tiles, batchSize });

    expect(tokens).toEqual(named(expected, `${name}.tokens`).arraySync());
    expect(tokens[0]).toHaveLength(12);
    expectGolden(tf.stack(logits, 1), named(expected, `${name}.step_logits`));
  });

  test("logits are taken at the named positions, and without a head the embeddings are used", async () => {
    const { params, config } = await goldenChat();
    const hidden = hiddenStates(params, config, inputs(chat));
    const all = allLogits(chat);

    const two = logitsAt(params, config, hidden, Int32Array.of(30, 4));
    params.delete("language_model.lm_head.weight");
    const tied = logitsAt(params, config, hidden, Int32Array.of(30, 4));

    const rows = tf.gather(hidden, tf.tensor1d([30, 4], "int32"));
    expect(relativeError(two, tf.gather(tf.reshape(all, [B * S, 320]), tf.tensor1d([30, 4], "int32")))).toBeLessThan(1e-6);
    expect(relativeError(tied, tf.matMul(rows, params.get("language_model.model.embed_tokens.weight"), false, true))).toBe(0);
  });

  test("an unknown decoder is refused by name", () => {
    const config = { ...chat.config.llm_config, architectures: ["Qwen3ForCausalLM"] };

    expect(() => decode(chat.params, config, inputs(chat))).toThrow(
      'CheckpointError config.json llm_config.architectures[0]: unknown decoder "Qwen3ForCausalLM".\n  Known: Qwen2ForCausalLM, LlamaForCausalLM, InternLM2ForCausalLM, Phi3ForCausalLM. Did you mean "Qwen2ForCausalLM"?',
    );
  });
});

function mask(): Int32Array {
  return integers(chat.expected, "in.attention_mask");
}

function inputs(of: GoldenChat): { embeds_BSD: Tensor; positionIds: Int32Array; bias_BSL: Tensor } {
  return {
    embeds_BSD: embed(of, integers(of.expected, "in.input_ids"), { batchSize: B, tiles: [0, 1, 2] }),
    positionIds: integers(of.expected, "in.position_ids"),
    bias_BSL: causalBias(mask(), { batchSize: B, queries: S }),
  };
}

function allLogits(of: GoldenChat): Tensor {
  const hidden = hiddenStates(of.params, of.config, inputs(of));
  return tf.reshape(logitsAt(of.params, of.config, hidden, Int32Array.from({ length: B * S }, (_, i) => i)), [B, S, 320]);
}

/** The fixture's labels are not shifted: position t - 1 predicts label t. */
function meanLoss(of: GoldenChat): tf.Scalar {
  const labels = integers(of.expected, "in.labels");
  const targets = [...labels.keys()].filter((t) => labels[t]! >= 0);
  const hidden = hiddenStates(of.params, of.config, inputs(of));
  const logits = logitsAt(of.params, of.config, hidden, Int32Array.from(targets, (t) => t - 1));
  return tf.div(maskedCrossEntropy(logits, Int32Array.from(targets, (t) => labels[t]!)).sum, targets.length);
}

/** [B, K, S, H] with the padded end of the second sequence cut off: both sequences' 19 common positions. */
function realPositions(cache: Tensor): Tensor {
  return tf.slice(cache, [0, 0, 0, 0], [B, 2, 19, 16]);
}

interface Prompt {
  readonly ids: Int32Array;
  readonly mask: Int32Array;
  readonly tiles: readonly number[];
  readonly batchSize: number;
}

/** Twelve greedy tokens, one forward pass each over the cache of what came before. Prompts are padded on the left. */
function generate(of: GoldenChat, { ids, mask: promptMask, tiles, batchSize }: Prompt): { tokens: number[][]; logits: Tensor[] } {
  const tokens: number[][] = Array.from({ length: batchSize }, () => []);
  const logits: Tensor[] = [];
  const masks = chunk(promptMask, batchSize).map((row) => [...row]);
  const positions = masks.map((row) => row.map((one, i) => (one === 1 ? row.slice(0, i).reduce((a, b) => a + b, 0) : 1)));
  let past: LayerCache[] | undefined;
  let embeds_BSD = embed(of, ids, { batchSize, tiles });
  let positionIds = Int32Array.from(positions.flat());
  for (let step = 0; step < 12; step++) {
    const queries = positionIds.length / batchSize;
    const bias_BSL = causalBias(masks.flat(), { batchSize, queries });
    const decoded = decodeWithCache(of.params.scope(PARTS.decoder), of.config.llm_config, { embeds_BSD, positionIds, bias_BSL, ...(past === undefined ? {} : { past }) });
    const lastRows = Int32Array.from({ length: batchSize }, (_, row) => row * queries + queries - 1);
    const stepLogits = logitsAt(of.params, of.config, tf.reshape(decoded.hidden_BSD, [batchSize * queries, 64]), lastRows);
    const chosen = Int32Array.from(tf.argMax(stepLogits, 1).dataSync());
    logits.push(stepLogits);
    chosen.forEach((token, row) => tokens[row]!.push(token));
    past = past === undefined ? decoded.fresh : joined(past, decoded.fresh);
    embeds_BSD = embed(of, chosen, { batchSize, tiles: [] });
    for (const row of masks) row.push(1);
    positionIds = Int32Array.from(masks, (row) => row.reduce((a, b) => a + b, 0) - 1);
  }
  return { tokens, logits };
}

function chunk(values: Int32Array, parts: number): Int32Array[] {
  const size = values.length / parts;
  return Array.from({ length: parts }, (_, i) => values.subarray(i * size, (i + 1) * size));
}

/** Past and new keys and values in one. */
function joined(past: readonly LayerCache[], fresh: readonly LayerCache[]): LayerCache[] {
  return past.map(({ key, value }, layer) => ({ key: tf.concat([key, fresh[layer]!.key], 2), value: tf.concat([value, fresh[layer]!.value], 2) }));
}

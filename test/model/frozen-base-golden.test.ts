import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { packWeight, unpackedValues } from "../../src/backend/packed-weight.ts";
import { readAdapter } from "../../src/model/checkpoints/peft.ts";
import { packsOf } from "../../src/model/frozen-base.ts";
import { type ChatModel, allLogits, batchInputs, loadChatModel, meanLoss } from "../golden/chat-model.ts";
import { goldenPath } from "../golden/golden.ts";
import { type GoldenSet, openGoldenSet } from "../golden/golden-set.ts";
import { relativeError, useBackend } from "./support.ts";

/** Layers are compiled. */
const TIMEOUT_MS = 60_000;
const INT8 = packsOf("int8");
const schema = z.looseObject({ tokens: z.looseObject({ img_context: z.number() }), lora: z.looseObject({ loss: z.number() }) });

beforeAll(() => useBackend("onnxruntime"));

/** Matrices of two layers each of vision tower and decoder; InternLM2's w2 has rows of 72, which are not whole blocks. */
test.each([
  { name: "internvl2-qwen2", matrices: 2 * (4 + 7), adapters: 2 * 7 },
  { name: "internvl2-internlm2", matrices: 2 * (4 + 4), adapters: 2 * 5 },
])("$name in 8 bits: logits, loss and adapter gradients are those of the rounded numbers in float32, and near those of torch without rounding", { timeout: TIMEOUT_MS }, async ({ name, matrices, adapters }) => {
  const set = await openGoldenSet(goldenPath(name));
  const { tokens, lora } = set.json(schema);
  const packed = await adapted(set, await loadChatModel(set, tokens.img_context, INT8));
  const rounded = await adapted(set, await roundedModel(await loadChatModel(set, tokens.img_context)));

  const [actual, expected] = [results(packed), results(rounded)];

  expect(packed.params.names().filter((one) => packed.params.packed(one) !== undefined)).toHaveLength(matrices);
  expect(actual.size).toBe(2 + 2 * adapters);
  const mask = set.integers("in.attention_mask");
  for (const [what, value] of actual) expect(relativeError(value, expected.get(what)!, what === "logits" ? mask : undefined), what).toBeLessThan(1e-5);
  const logitsError = relativeError(actual.get("logits")!, set.tensor("lora.logits"), mask);
  const lossError = Math.abs(actual.get("loss")!.dataSync()[0]! / lora.loss - 1);
  // Measured: 0.021 and 0.029 of the largest logit (1.7 and 1.4% in the root mean square), 0.0003 of the loss.
  expect(logitsError).toBeGreaterThan(1e-3);
  expect(logitsError).toBeLessThan(0.05);
  expect(lossError).toBeLessThan(1e-3);
  for (const model of [packed, rounded]) model.params.dispose();
});

/** With the rounded numbers in place of what would be packed. */
async function roundedModel(model: ChatModel): Promise<ChatModel> {
  const { params } = model;
  for (const [name, shape] of params.shapes()) {
    if (INT8(name, shape)) params.set(name, tf.tensor(unpackedValues(packWeight(await params.read(name), shape)), [...shape]));
  }
  return model;
}

async function adapted(set: GoldenSet, model: ChatModel): Promise<ChatModel> {
  await readAdapter(set.path("lora"), model.params);
  model.params.setTrainable(adaptersOf(model));
  return model;
}

function adaptersOf({ params }: ChatModel): string[] {
  return params.names().filter((name) => /\.lora_[AB]\.weight$/.test(name));
}

/** Logits, loss and the gradients of the adapters. */
function results(model: ChatModel): ReadonlyMap<string, tf.Tensor> {
  const names = adaptersOf(model);
  const { value, grads } = tf.engine().gradients(() => meanLoss(model), names.map((name) => model.params.get(name)), undefined, true);
  return new Map([["logits", allLogits(model, batchInputs(model))], ["loss", value], ...grads.map((gradient, i): [string, tf.Tensor] => [names[i]!, gradient])]);
}

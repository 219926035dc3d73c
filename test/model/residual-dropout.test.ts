import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { describe, expect, test } from "vitest";
import type { Kept } from "../../src/backend/blocks.ts";
import { decoderLayout } from "../../src/model/decoder-layout.ts";
import { decoderLayer, layerSpec } from "../../src/model/decoder.ts";
import { PARTS } from "../../src/model/emoverse.ts";
import { runLayer } from "../../src/model/layer.ts";
import { ropeTables } from "../../src/model/rope.ts";
import { goldenChat, type GoldenChat } from "./golden-chat.ts";
import { randomTensor, relativeError, useBackend } from "./support.ts";

const RATE = 0.25;
const DROPOUT = { adapters: 0, residual: RATE, key: [42, "pairs", 3, 1] } as const;
const [BATCH, LENGTH] = [2, 5];

describe.each(["cpu", "onnxruntime"])("dropout of what a layer adds, on %s", (backend) => {
  test.each([["attention", "mlp.down_proj"], ["mlp", "self_attn.o_proj"]] as const)("what %s adds is multiplied with its mask, the input passes whole", async (half, other) => {
    await useBackend(backend);
    const chat = await goldenChat();
    const scope = layerScope(chat);
    const silent = chat.params.get(`${scope}.${other}.weight`);
    chat.params.set(`${scope}.${other}.weight`, tf.zeros(silent.shape));
    const x = input(chat);
    const whole = tf.sub(layerOutput(chat, x), x);

    chat.params.setDropout(DROPOUT);
    const dropped = tf.sub(layerOutput(chat, x), x);
    const mask = chat.params.dropoutMask("residual", `${scope}.${half}`, [BATCH * LENGTH, width(chat)]);
    chat.params.setDropout(undefined);

    expect([...new Set(mask.dataSync())].sort()).toEqual([0, Math.fround(1 / (1 - RATE))]);
    expect(relativeError(tf.reshape(dropped, [-1]), tf.reshape(tf.mul(tf.reshape(whole, mask.shape), mask), [-1]))).toBeLessThan(1e-4);
    expect(relativeError(layerOutput(chat, x), tf.add(whole, x))).toBeLessThan(1e-4);
  });
});

test("gradients are the same on both backends, and whether a block keeps its values or computes them again", async () => {
  const found: number[][] = [];
  for (const [backend, kept] of [["cpu", "intermediates"], ["onnxruntime", "intermediates"], ["onnxruntime", "inputs"]] as const) {
    await useBackend(backend);
    found.push(gradient(await goldenChat(), kept));
  }

  const [reference, keeps, again] = found;
  expect(Math.max(...reference!.map(Math.abs))).toBeGreaterThan(0.1);
  keeps!.forEach((value, i) => expect(value).toBeCloseTo(reference![i]!, 3));
  again!.forEach((value, i) => expect(value).toBeCloseTo(keeps![i]!, 5));
});

function gradient(chat: GoldenChat, kept: Kept): number[] {
  chat.params.setTrainable([`${layerScope(chat)}.mlp.down_proj.weight`], kept);
  chat.params.setDropout(DROPOUT);
  const dx = tf.grad((x: Tensor) => tf.sum(tf.square(layerOutput(chat, x))))(input(chat));
  return [...dx.dataSync()];
}

function layerOutput({ config, params }: GoldenChat, x: Tensor): Tensor {
  const layout = decoderLayout(config.llm_config);
  const positionIds = Int32Array.from({ length: BATCH * LENGTH }, (_, i) => i % LENGTH);
  const tables = ropeTables(positionIds, { batchSize: BATCH, headDim: 16, theta: config.llm_config.rope_theta });
  const spec = layerSpec(config.llm_config, "hidden");
  return runLayer({ name: "layer", params: params.scope(`${PARTS.decoder}.${layout.layer(0)}`), inputs: { x, ...tables }, fn: (own, inputs) => decoderLayer(own, { ...inputs, x: inputs.x, cos: inputs.cos, sin: inputs.sin }, { layout, spec }) });
}

function layerScope({ config }: GoldenChat): string {
  return `${PARTS.decoder}.${decoderLayout(config.llm_config).layer(0)}`;
}

function input(chat: GoldenChat): Tensor {
  return randomTensor("states", [BATCH, LENGTH, width(chat)]);
}

function width({ config }: GoldenChat): number {
  return config.llm_config.hidden_size;
}

import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import type { Kept } from "../../src/backend/blocks.ts";
import { expectedParameters } from "../../src/model/checkpoints/expected-parameters.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { decode } from "../../src/model/decoder.ts";
import { PARTS } from "../../src/model/emoverse.ts";
import { addLora } from "../../src/model/lora.ts";
import { seenUntilMask } from "../../src/model/fused-attention.ts";
import { ParamStore } from "../../src/model/params.ts";
import { encodeImages } from "../../src/model/vision.ts";
import { activationNumbers, type BatchSizes, type DroppedWidths } from "../../src/train/activation-memory.ts";
import { describeOnGpu, gpuBackend, normals } from "../backend/webgpu/software-gpu.ts";
import { toyConfig } from "../model/toy-model.ts";

const TIMEOUT_MS = 120_000;
const NO_BATCH: BatchSizes = { rows: 0, length: 0, supervised: 0, frames: 0, sounds: 0 };

describeOnGpu("memory of a GPU", () => {
  test.each<{ readonly kept: Kept; readonly rows: number; readonly length: number }>([
    { kept: "intermediates", rows: 1, length: 96 },
    { kept: "inputs", rows: 2, length: 72 },
  ])("what the decoder allocates for $rows rows with $kept kept is what the estimate says, within 8%", { timeout: TIMEOUT_MS }, async ({ kept, rows, length }) => {
    const measured = await allocated(kept, 6, (params, config) => {
      const seen = seenUntilMask({ seenUntil: new Int32Array(rows * length).fill(length), batchSize: rows, length });
      const inputs = { embeds_BSD: tf.tensor(normals("x", rows * length * 64), [rows, length, 64]), positionIds: Int32Array.from({ length: rows * length }, (_, i) => i % length), ...seen };
      return () => decode(params.scope(PARTS.decoder), config.llm_config, inputs);
    });

    expectWithin(estimated({ ...NO_BATCH, rows, length }, kept, 6), measured, 0.08);
  });

  test.each<{ readonly kept: Kept; readonly adapters: number; readonly residual: number; readonly length: number }>([
    { kept: "intermediates", adapters: 0, residual: 0.1, length: 80 },
    { kept: "intermediates", adapters: 0.1, residual: 0, length: 104 },
    { kept: "inputs", adapters: 0.1, residual: 0.1, length: 112 },
  ])("so it is with dropout: adapters $adapters, residual $residual, $kept kept", { timeout: TIMEOUT_MS }, async ({ kept, length, ...dropout }) => {
    const measured = await allocated(kept, 6, (params, config) => {
      const adapted = addLora(params, { rank: 2, alpha: 2, targets: "language_model\\.model\\.layers.*" }, 1);
      expect(adapted.length).toBe(6 * 7);
      params.setDropout({ ...dropout, key: [1] });
      const seen = seenUntilMask({ seenUntil: new Int32Array(length).fill(length), batchSize: 1, length });
      const inputs = { embeds_BSD: tf.tensor(normals("x", length * 64), [1, length, 64]), positionIds: Int32Array.from({ length }, (_, i) => i), ...seen };
      return () => decode(params.scope(PARTS.decoder), config.llm_config, inputs);
    });

    const dropped = { adapters: () => (dropout.adapters > 0 ? 6 * 64 + 256 : 0), residual: dropout.residual > 0 };
    expectWithin(estimated({ ...NO_BATCH, rows: 1, length }, kept, 6, dropped), measured, 0.08);
  });

  test("what the vision tower allocates is what the estimate says, within 8%", { timeout: TIMEOUT_MS }, async () => {
    const measured = await allocated("intermediates", 4, (params, config) => {
      const pixels = tf.tensor(normals("pixels", 3 * 48 * 48 * 3), [3, 48, 48, 3]);
      return () => encodeImages(params.scope(PARTS.vision), config.vision_config, pixels);
    });

    expectWithin(estimated({ ...NO_BATCH, frames: 3 }, "intermediates", 4), measured, 0.08);
  });
});

/** Numbers of the pool's growth over a forward and backward pass, weights' gradients left out. */
async function allocated(kept: Kept, layers: number, stack: (params: ParamStore, config: ModelConfig) => () => tf.Tensor): Promise<number> {
  const config = configWith(layers);
  const params = new ParamStore();
  for (const [name, shape] of expectedParameters(config)) params.set(name, tf.tensor(normals(name, shape.reduce((size, side) => size * side, 1), 0.1), [...shape]));
  const run = stack(params, config);
  const trained = [params.get("language_model.model.layers.0.input_layernorm.weight"), params.get("vision_model.encoder.layers.0.norm1.weight")];
  params.setTrainable(["language_model.model.layers.0.input_layernorm.weight"], kept);
  for (const name of params.names()) await upload(params.get(name));
  const before = bytes();
  const { value, grads } = tf.engine().gradients(() => tf.sum(run()), trained, undefined, true);
  await value.data();
  const found: readonly (tf.Tensor | undefined)[] = grads;
  tf.dispose([value, ...found.filter((gradient) => gradient !== undefined)]);
  const grown = bytes() - before;
  params.dispose();
  return grown / 4;
}

async function upload(tensor: tf.Tensor): Promise<void> {
  const touched = tf.add(tensor, 0);
  await touched.data();
  touched.dispose();
}

function bytes(): number {
  return gpuBackend().bufferManager.numBytesAllocated;
}

/** Sizes at which no part of a layer is negligible. */
function configWith(layers: number): ModelConfig {
  return {
    ...toyConfig,
    vision_config: { ...toyConfig.vision_config, hidden_size: 64, intermediate_size: 160, num_attention_heads: 4, image_size: 48, patch_size: 8, num_hidden_layers: layers },
    llm_config: { ...toyConfig.llm_config, hidden_size: 64, intermediate_size: 256, num_attention_heads: 4, num_key_value_heads: 2, num_hidden_layers: layers },
  };
}

function estimated(batch: BatchSizes, kept: Kept, layers: number, dropped?: DroppedWidths): number {
  return activationNumbers(configWith(layers), batch, { kept, trains: () => true, fused: true, ...(dropped && { dropped }) }).total;
}

function expectWithin(actual: number, expected: number, tolerance: number): void {
  expect(actual / expected, `${actual} against ${expected}`).toBeGreaterThan(1 - tolerance);
  expect(actual / expected, `${actual} against ${expected}`).toBeLessThan(1 + tolerance);
}

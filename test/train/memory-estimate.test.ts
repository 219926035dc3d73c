import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { decode } from "../../src/model/decoder.ts";
import { encodeImages } from "../../src/model/vision.ts";
import { PARTS } from "../../src/model/emoverse.ts";
import { expectedParameters } from "../../src/model/checkpoints/expected-parameters.ts";
import { loraShapes } from "../../src/model/lora.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { ParamStore } from "../../src/model/params.ts";
import { activationNumbers, type BatchSizes } from "../../src/train/activation-memory.ts";
import { estimateMemory } from "../../src/train/memory-estimate.ts";
import { randomTensor, useBackend } from "../model/support.ts";
import { toyConfig } from "../model/toy-model.ts";

const NO_BATCH: BatchSizes = { rows: 0, length: 0, supervised: 0, frames: 0, sounds: 0 };
const ALL = { trains: () => true };

test("weights, gradients and moments by hand: four bytes a number, two moments, two gradients when batches are summed", () => {
  const shapes = new Map([["language_model.a.weight", [1000, 250]], ["language_model.a.lora_A.weight", [50, 1000]], ["language_model.a.lora_scale", []]]);
  const input = { config: toyConfig, shapes, trained: ["language_model.a.lora_A.weight"], batch: NO_BATCH, kept: "inputs", clipBytes: 5e6, batches: 1, frozenBase: "float32", place: "host" } as const;

  const alone = estimateMemory({ ...input, accumulation: 1 });
  const summed = estimateMemory({ ...input, accumulation: 2 });

  expect(alone).toMatchObject({ weights: 1.200004, gradients: 0.2, moments: 0.4, clips: 5, activations: { intermediates: 0, inputs: 0 } });
  expect(alone.peak).toBeCloseTo(300 + 1.200004 + 0.2 + 0.4 + 5, 6);
  expect(summed.gradients).toBe(0.4);
  expect(summed.peak - alone.peak).toBeCloseTo(0.2, 6);
});

test("by hand, in 8 bits: 17 bytes for 16 numbers of a layer's matrices, and the largest layer as floats while it runs", () => {
  const layer = (i: number, size: number): [string, number[]][] => [[`language_model.model.layers.${i}.mlp.up_proj.weight`, [size, 640]], [`language_model.model.layers.${i}.norm.weight`, [640]]];
  const shapes = new Map([...layer(0, 1000), ...layer(1, 2000), ["language_model.model.embed_tokens.weight", [500, 640]] as const]);
  const input = { config: toyConfig, shapes, trained: [], batch: NO_BATCH, kept: "inputs", clipBytes: 0, batches: 1, accumulation: 1, frozenBase: "int8" } as const;
  const floats = (4 * (2 * 640 + 500 * 640)) / 1e6;

  const packed = estimateMemory({ ...input, place: "host" });

  expect(packed.weights).toBeCloseTo(floats + (3000 * 640 * 17) / 16 / 1e6, 9);
  expect(packed.peak).toBeCloseTo(300 + packed.weights + (4 * 2000 * 640) / 1e6, 9);
  for (const place of ["plain-host", "gpu", "fused-gpu"] as const) expect(estimateMemory({ ...input, place }).weights).toBeCloseTo(floats + (4 * 3000 * 640) / 1e6, 9);
});

test("by hand, in half precision: two bytes for a number of a layer's matrix under our kernels on a GPU, elsewhere four", () => {
  const shapes = new Map<string, readonly number[]>([["language_model.model.layers.0.mlp.up_proj.weight", [1000, 640]], ["language_model.model.layers.0.mlp.odd.weight", [1000, 6]], ["language_model.model.layers.0.norm.weight", [640]]]);
  const input = { config: toyConfig, shapes, trained: [], batch: NO_BATCH, kept: "inputs", clipBytes: 0, batches: 1, accumulation: 1, frozenBase: "float16" } as const;

  const packed = estimateMemory({ ...input, place: "fused-gpu" });

  expect(packed.weights).toBeCloseTo((2 * 640_000 + 4 * 6000 + 4 * 640) / 1e6, 9);
  expect(packed.peak).toBeCloseTo(packed.weights, 9);
  for (const place of ["host", "plain-host", "gpu"] as const) expect(estimateMemory({ ...input, place }).weights).toBeCloseTo((4 * (640_000 + 6000 + 640)) / 1e6, 9);
});

test("only supervised positions count for the vocabulary: six numbers per word", () => {
  const of = (supervised: number) => activationNumbers(toyConfig, { ...NO_BATCH, supervised }, { ...ALL, kept: "inputs" }).total;

  expect(of(10)).toBe(6 * 10 * toyConfig.llm_config.vocab_size);
});

test("checkpointing needs less, a frozen tower less than a trained one, and rows cost the same one by one or together", () => {
  const batch = { rows: 2, length: 64, supervised: 0, frames: 4, sounds: 2 };
  const kept = activationNumbers(toyConfig, batch, { ...ALL, kept: "intermediates" }).total;
  const recomputed = activationNumbers(toyConfig, batch, { ...ALL, kept: "inputs" }).total;
  const frozen = activationNumbers(toyConfig, batch, { kept: "intermediates", trains: () => false }).total;

  expect(recomputed).toBeLessThan(kept);
  expect(frozen).toBeLessThan(kept);
  const text = (rows: number): number => activationNumbers(toyConfig, { ...NO_BATCH, rows, length: 64 }, { ...ALL, kept: "intermediates" }).total;
  expect(text(6)).toBeCloseTo(3 * text(2), 6);
});

/** Sizes at which no part of a layer is negligible. */
const CONFIG: ModelConfig = {
  ...toyConfig,
  vision_config: { ...toyConfig.vision_config, hidden_size: 64, intermediate_size: 192, num_attention_heads: 4, image_size: 48, patch_size: 8 },
  llm_config: { ...toyConfig.llm_config, hidden_size: 64, intermediate_size: 256, num_attention_heads: 4, num_key_value_heads: 2 },
};
/** Where every layer is compiled. */
const TIMEOUT_MS = 60_000;

test("what another decoder layer keeps for its gradient is what the estimate says, within a quarter", { timeout: TIMEOUT_MS }, async () => {
  const batch = { ...NO_BATCH, rows: 2, length: 96 };
  const measured = await keptByAnotherLayer(batch.rows * batch.length * 64, (params, layers) => {
    const llm = { ...CONFIG.llm_config, num_hidden_layers: layers };
    const inputs = { embeds_BSD: randomTensor("x", [2, 96, 64]), positionIds: Int32Array.from({ length: 192 }, (_, i) => i % 96), bias_BSL: tf.zeros([2, 96, 96]) };
    // Clones of the mask and the tables, which share their memory, are counted for every layer.
    return { shared: 2 * 96 * 96 + 2 * 2 * 96 * 16, run: () => decode(params.scope(PARTS.decoder), llm, inputs) };
  });

  expect(measured).toBeGreaterThan(100_000);
  expectWithin(estimatedLayer(batch), measured, 0.25);
});

test("what another vision layer keeps for its gradient is what the estimate says, within a quarter", { timeout: TIMEOUT_MS }, async () => {
  const batch = { ...NO_BATCH, frames: 3 };
  const measured = await keptByAnotherLayer(3 * 37 * 64, (params, layers) => {
    const pixels = randomTensor("pixels", [3, 48, 48, 3]);
    return { shared: 0, run: () => encodeImages(params.scope(PARTS.vision), CONFIG.vision_config, pixels, layers) };
  });

  expect(measured).toBeGreaterThan(30_000);
  expectWithin(estimatedLayer(batch), measured, 0.25);
});

test("a compiled layer is given all its masks at once and keeps none: what the estimate adds for dropout, which only counts where it is", { timeout: TIMEOUT_MS }, async () => {
  await useBackend("onnxruntime");
  const config = { ...CONFIG, vision_config: { ...CONFIG.vision_config, num_hidden_layers: 1 }, llm_config: { ...CONFIG.llm_config, num_hidden_layers: 1 } };
  const shapes = expectedParameters(config);
  const adapters = loraShapes(shapes, { rank: 2, alpha: 2, targets: "language_model\\..*_proj" });
  const params = new ParamStore();
  for (const [name, shape] of [...shapes, ...adapters]) params.set(name, randomTensor(name, shape, 0.1));
  let masks = 0;
  const makeMask = params.dropoutMask.bind(params);
  params.dropoutMask = (place, module, shape) => {
    masks += shape.reduce((size, side) => size * side, 1);
    return makeMask(place, module, shape);
  };
  params.setDropout({ adapters: 0.1, residual: 0.1, key: [1] });
  const inputs = { embeds_BSD: randomTensor("x", [2, 96, 64]), positionIds: Int32Array.from({ length: 192 }, (_, i) => i % 96), bias_BSL: tf.zeros([2, 96, 96]) };

  decode(params.scope(PARTS.decoder), config.llm_config, inputs).dispose();
  params.dispose();

  // By hand: six inputs of width 64 and one of 256 go into adapters, and two halves add 64.
  expect(masks).toBe(192 * (6 * 64 + 256 + 2 * 64));
  const peak = (kept: "inputs" | "intermediates", dropout?: { readonly adapters: number; readonly residual: number }): number =>
    estimateMemory({ config, shapes: new Map([...shapes, ...adapters]), trained: [...adapters.keys()], batch: { ...NO_BATCH, rows: 2, length: 96 }, kept, clipBytes: 0, batches: 1, accumulation: 1, frozenBase: "float32", place: "host", ...(dropout && { dropout }) }).peak;
  for (const kept of ["inputs", "intermediates"] as const) {
    expect((peak(kept, { adapters: 0.1, residual: 0.1 }) - peak(kept)) * 1e6).toBeCloseTo(4 * masks, 3);
    expect((peak(kept, { adapters: 0, residual: 0.1 }) - peak(kept)) * 1e6).toBeCloseTo(4 * 192 * 2 * 64, 3);
    expect(peak(kept, { adapters: 0, residual: 0 })).toBe(peak(kept));
  }
});

/** What the estimate grows by with a layer in both stacks, without the gradient of its state, which comes later. */
function estimatedLayer(batch: BatchSizes): number {
  const of = (layers: number): number => {
    const config = { ...CONFIG, vision_config: { ...CONFIG.vision_config, num_hidden_layers: layers }, llm_config: { ...CONFIG.llm_config, num_hidden_layers: layers } };
    return activationNumbers(config, batch, { ...ALL, kept: "intermediates" }).total;
  };
  const state = 64 * (batch.rows * batch.length + batch.frames * 37);
  return of(2) - of(1) - state;
}

/** Numbers that the second layer of a stack adds between forward and backward pass when everything is trained. */
async function keptByAnotherLayer(state: number, stack: (params: ParamStore, layers: number) => { shared: number; run: () => tf.Tensor }): Promise<number> {
  await useBackend("onnxruntime");
  const params = new ParamStore();
  for (const [name, shape] of [...expectedParameters(CONFIG), ...loraShapes(expectedParameters(CONFIG), { rank: 2, alpha: 2, targets: "language_model\\..*_proj" })]) params.set(name, randomTensor(name, shape, 0.1));
  params.setTrainable(params.names().filter((name) => !name.endsWith("lora_scale")));
  const held = (layers: number): number => {
    const { shared, run } = stack(params, layers);
    let bytes = 0;
    const measure = (): void => {
      const before = tf.memory().numBytes;
      const { value, grads } = tf.engine().gradients(
        () => {
          const output = run();
          bytes = tf.memory().numBytes - before;
          return tf.sum(output);
        },
        [params.get("language_model.model.layers.0.mlp.up_proj.weight"), params.get("vision_model.encoder.layers.0.mlp.fc1.weight")],
        undefined,
        true,
      );
      const found: readonly (tf.Tensor | undefined)[] = grads;
      tf.dispose([value, ...found.filter((gradient) => gradient !== undefined)]);
    };
    measure(); // compiles
    measure();
    return bytes / 4 - layers * shared;
  };
  const added = held(2) - held(1) - state; // the clone of x that is kept shares its memory
  params.dispose();
  return added;
}

function expectWithin(actual: number, expected: number, tolerance: number): void {
  expect(actual / expected, `${actual} against ${expected}`).toBeGreaterThan(1 - tolerance);
  expect(actual / expected, `${actual} against ${expected}`).toBeLessThan(1 + tolerance);
}

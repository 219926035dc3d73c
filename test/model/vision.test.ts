import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, test } from "vitest";
import { modelConfigSchema, type ModelConfig } from "../../src/model/config.ts";
import { PARTS, visualFeatures } from "../../src/model/emoverse.ts";
import type { ParamStore } from "../../src/model/params.ts";
import { pixelShuffle } from "../../src/model/projector.ts";
import { encodeImages, layersUpTo, visionLayer } from "../../src/model/vision.ts";
import { goldenPath } from "../golden/golden.ts";
import { referenceVisionLayer } from "./reference-vision-layer.ts";
import { expectGolden, goldenTensors, named, randomTensor, relativeError, storeOf, useCpuBackend } from "./support.ts";

beforeAll(useCpuBackend);

/** Both golden towers: patch 14 on 56 pixels and patch 7 on 28. */
describe.each(["internvl2-qwen2", "internvl2-internlm2"])("the vision tower of %s", (folder) => {
  let params: ParamStore;
  let expected: ReadonlyMap<string, Tensor>;
  let config: ModelConfig;
  beforeAll(async () => {
    params = storeOf(await goldenTensors(folder, "model.safetensors"));
    expected = await goldenTensors(folder, "expected.safetensors");
    config = modelConfigSchema.parse(JSON.parse(readFileSync(goldenPath(folder, "config.json"), "utf8")));
  });

  test("gives the original's embeddings and states after every layer", () => {
    const pixels = channelsLast(named(expected, "in.pixel_values"));
    const layers = config.vision_config.num_hidden_layers;
    expect(layers).toBe(2);

    for (let i = 0; i <= layers; i++) {
      const hidden = encodeImages(params.scope(PARTS.vision), config.vision_config, pixels, i);
      expectGolden(hidden, named(expected, `vit.hidden_states.${i}`));
    }
  });

  test("interpolates positions for a picture that is not square", () => {
    const pixels = channelsLast(named(expected, "vit.rect.pixel_values"));
    expect(pixels.shape[1]).not.toBe(pixels.shape[2]);

    expectGolden(encodeImages(params.scope(PARTS.vision), config.vision_config, pixels), named(expected, "vit.rect.last_hidden_state"));
  });

  test("shuffles pixels and projects them to decoder tokens", () => {
    const hidden = named(expected, "vit.hidden_states.2");
    const [images = 0, tokens = 0, width = 0] = hidden.shape;
    const patches = tf.slice(hidden, [0, 1, 0], [images, tokens - 1, width]);
    const side = Math.sqrt(tokens - 1);

    const shuffled = pixelShuffle(patches, { grid: [side, side], side: 2, version: "v2" });
    const features = visualFeatures(params, config, channelsLast(named(expected, "in.pixel_values")));

    expectGolden(tf.reshape(shuffled, named(expected, "vit.pixel_shuffle").shape), named(expected, "vit.pixel_shuffle"));
    expectGolden(tf.reshape(features, named(expected, "vit.mlp1").shape), named(expected, "vit.mlp1"));
  });

  test("takes the states that select_layer names", () => {
    const vision = config.vision_config;
    const pixels = channelsLast(named(expected, "in.pixel_values"));

    const last = visualFeatures(params, { ...config, select_layer: 2 }, pixels);
    const earlier = visualFeatures(params, { ...config, select_layer: -2 }, pixels);

    expect([-1, -2, -3, 0, 1, 2].map((layer) => layersUpTo(layer, vision))).toEqual([2, 1, 0, 0, 1, 2]);
    expect(relativeError(last, visualFeatures(params, config, pixels))).toBe(0);
    expect(relativeError(earlier, last)).toBeGreaterThan(0.01);
  });

  test("a picture alone equals its row in a batch of three", () => {
    const pixels = channelsLast(named(expected, "in.pixel_values"));
    const [images = 0, ...picture] = pixels.shape;
    expect(images).toBeGreaterThanOrEqual(3);

    const all = tf.split(visualFeatures(params, config, pixels), images);
    const third = visualFeatures(params, config, tf.slice(pixels, [2, 0, 0, 0], [1, ...picture]));

    expect(relativeError(third, all[2]!)).toBeLessThan(1e-6);
  });
});

test("the 6B tower's layer (RMSNorm, normalised queries and keys, no qkv bias) equals the formula in plain loops", () => {
  const shapes = { "norm1.weight": [6], "norm2.weight": [6], "attn.qkv.weight": [18, 6], "attn.q_norm.weight": [6], "attn.k_norm.weight": [6] };
  const rest = { "attn.proj.weight": [6, 6], "attn.proj.bias": [6], ls1: [6], ls2: [6], "mlp.fc1.weight": [8, 6], "mlp.fc1.bias": [8], "mlp.fc2.weight": [6, 8], "mlp.fc2.bias": [6] };
  const params = storeOf(Object.entries({ ...shapes, ...rest }).map(([name, shape]) => [name, randomTensor(name, shape)] as const));
  const x = randomTensor("x", [1, 4, 6]);
  const config = { num_attention_heads: 3, norm_type: "rms_norm", layer_norm_eps: 1e-6, qk_normalization: true } as const;
  const sizes = { hidden_size: 6, image_size: 4, patch_size: 2, num_channels: 3, num_hidden_layers: 1, intermediate_size: 8, qkv_bias: false };

  const layer = visionLayer(params, { ...sizes, ...config }, x);

  const expected = referenceVisionLayer((name) => params.get(name).arraySync(), x.arraySync() as number[][][], { numHeads: 3, eps: 1e-6 });
  expect(relativeError(layer, tf.tensor3d([expected]))).toBeLessThan(1e-5);
});

function channelsLast(pixels: Tensor): Tensor {
  return tf.transpose(pixels, [0, 2, 3, 1]);
}

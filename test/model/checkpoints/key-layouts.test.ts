import { expect, test } from "vitest";
import { expectedParameters } from "../../../src/model/checkpoints/expected-parameters.ts";
import { keyLayoutOf } from "../../../src/model/checkpoints/key-layouts.ts";
import { modelConfigSchema } from "../../../src/model/config.ts";
import { toyConfig } from "../toy-model.ts";

test("the original layout names a parameter as the store does", () => {
  const { keysOf } = keyLayoutOf(["vision_model.embeddings.class_embedding", "mlp1.0.weight"]);

  for (const name of expectedParameters(toyConfig).keys()) expect(keysOf(name)).toEqual([name]);
});

test("the native layout of both ages, name by name", () => {
  const [late, early] = [keyLayoutOf(["lm_head.weight", "model.vision_tower.embeddings.cls_token"]), keyLayoutOf(["vision_tower.embeddings.cls_token"])];
  const expected: readonly (readonly [string, string | readonly string[]])[] = [
    ["vision_model.embeddings.class_embedding", "vision_tower.embeddings.cls_token"],
    ["vision_model.embeddings.position_embedding", "vision_tower.embeddings.position_embeddings"],
    ["vision_model.embeddings.patch_embedding.bias", "vision_tower.embeddings.patch_embeddings.projection.bias"],
    ["vision_model.encoder.layers.11.attn.qkv.weight", ["q", "k", "v"].map((part) => `vision_tower.encoder.layer.11.attention.${part}_proj.weight`)],
    ["vision_model.encoder.layers.0.attn.q_norm.weight", "vision_tower.encoder.layer.0.attention.q_norm.weight"],
    ["vision_model.encoder.layers.0.attn.proj.bias", "vision_tower.encoder.layer.0.attention.projection_layer.bias"],
    ["vision_model.encoder.layers.0.norm1.weight", "vision_tower.encoder.layer.0.layernorm_before.weight"],
    ["vision_model.encoder.layers.0.norm2.bias", "vision_tower.encoder.layer.0.layernorm_after.bias"],
    ["vision_model.encoder.layers.0.ls1", "vision_tower.encoder.layer.0.lambda_1"],
    ["vision_model.encoder.layers.0.mlp.fc1.weight", "vision_tower.encoder.layer.0.mlp.fc1.weight"],
    ["mlp1.0.bias", "multi_modal_projector.layer_norm.bias"],
    ["mlp1.1.weight", "multi_modal_projector.linear_1.weight"],
    ["mlp1.3.weight", "multi_modal_projector.linear_2.weight"],
  ];
  for (const [name, keys] of expected) {
    const list = typeof keys === "string" ? [keys] : keys;
    expect(late.keysOf(name)).toEqual(list.map((key) => `model.${key}`));
    expect(early.keysOf(name)).toEqual(list);
  }
  const layer = "layers.3.self_attn.q_proj.weight";
  expect([late, early].map(({ keysOf }) => keysOf(`language_model.model.${layer}`))).toEqual([[`model.language_model.${layer}`], [`language_model.model.${layer}`]]);
  expect([late, early].map(({ keysOf }) => keysOf("language_model.lm_head.weight"))).toEqual([["lm_head.weight"], ["language_model.lm_head.weight"]]);
});

test("no two parameters share a tensor", () => {
  const config = modelConfigSchema.parse({ ...toyConfig, vision_config: { ...toyConfig.vision_config, qk_normalization: true } });
  const names = [...expectedParameters(config).keys()];
  const keys = names.flatMap(keyLayoutOf(["model.vision_tower.embeddings.cls_token"]).keysOf);

  expect(keys.length).toBeGreaterThan(names.length);
  expect(new Set(keys).size).toBe(keys.length);
});

import { expect, test } from "vitest";
import { trainableParameters } from "../../src/train/trainable.ts";

const NAMES = [
  "vision_model.embeddings.class_embedding",
  "mlp1.1.weight",
  "mlp1.1.bias",
  "language_model.model.layers.0.self_attn.q_proj.weight",
  "language_model.model.layers.0.self_attn.q_proj.lora_A.weight",
  "language_model.model.layers.0.self_attn.q_proj.lora_B.weight",
  "language_model.model.layers.0.self_attn.q_proj.lora_scale",
];
const rates = (...patterns: [match: string, learningRate: number][]): Record<string, number> =>
  Object.fromEntries(trainableParameters(patterns.map(([match, learningRate]) => ({ match, learningRate })), NAMES, "stages.a.trainable"));

test("the first pattern that matches decides, zero freezes, unmatched is frozen, the LoRA scale never trains", () => {
  expect(rates(["\\.bias$", 0], ["^mlp1\\.", 0.002], ["lora", 0.001])).toEqual({
    "mlp1.1.weight": 0.002,
    "language_model.model.layers.0.self_attn.q_proj.lora_A.weight": 0.001,
    "language_model.model.layers.0.self_attn.q_proj.lora_B.weight": 0.001,
  });
  expect(Object.keys(rates([".", 1]))).toEqual(NAMES.slice(0, 6));
});

test("patterns that match nothing are all reported, with the nearest parts of names", () => {
  expect(() => rates(["lora", 1], ["qproj", 1], ["vison_model", 1])).toThrow(
    'ConfigError stages.a.trainable[1].match: "qproj" matches none of 6 parameters.\n' +
      '  Nearest parts of names: q_proj. Names look like "language_model.model.layers.0.self_attn.q_proj.weight".\n' +
      'ConfigError stages.a.trainable[2].match: "vison_model" matches none of 6 parameters.\n  Nearest parts of names: vision_model.',
  );
  expect(() => rates(["lora_scale", 1])).toThrow('"lora_scale" matches none of 6 parameters');
});

test("a malformed expression and a stage that trains nothing are errors", () => {
  expect(() => rates(["(", 1])).toThrow('ConfigError stages.a.trainable[0].match: Got "(", expected a regular expression');
  expect(() => rates([".", 0])).toThrow("ConfigError stages.a.trainable: Got 0 trained parameters out of 6, expected at least one");
});

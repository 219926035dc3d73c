import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { audioLayer, embedSounds, encodeSounds } from "../../src/model/audio.ts";
import { modelConfigSchema, tokensPerSound, type AudioConfig, type ModelConfig } from "../../src/model/config.ts";
import { audioFeatures } from "../../src/model/emoverse.ts";
import { project } from "../../src/model/projector.ts";
import type { ParamStore } from "../../src/model/params.ts";
import { goldenPath } from "../golden/golden.ts";
import { expectGolden, goldenTensors, named, randomTensor, relativeError, storeOf, useCpuBackend } from "./support.ts";

let params: ParamStore;
let expected: ReadonlyMap<string, Tensor>;
let config: ModelConfig;
let audio: AudioConfig;

beforeAll(async () => {
  await useCpuBackend();
  const whisper = await goldenTensors("whisper-encoder", "model.safetensors");
  const tower = [...whisper].map(([name, tensor]) => [name.replace("model.encoder", "audio_model.encoder"), tensor] as const);
  params = storeOf([...tower, ...projectorWeights({ width: 7 * 48, out: 10 })]);
  expected = await goldenTensors("whisper-encoder", "expected.safetensors");
  config = modelConfigSchema.parse({
    ...(JSON.parse(readFileSync(goldenPath("internvl2-qwen2", "config.json"), "utf8")) as object),
    audio_config: { ...(JSON.parse(readFileSync(goldenPath("whisper-encoder", "config.json"), "utf8")) as object), frame_stack: 7 },
  });
  audio = config.audio_config!;
});

test("the audio tower gives Whisper's states after the convolutions, every layer and the final norm", () => {
  const mel = named(expected, "in.input_features");
  const encoder = params.scope("audio_model.encoder");
  expect(audio.encoder_layers).toBe(2);

  const embedded = embedSounds(encoder, audio, mel);
  const first = audioLayer(encoder.scope("layers.0"), audio, embedded);

  expectGolden(embedded, named(expected, "enc.hidden_states.0"));
  expectGolden(first, named(expected, "enc.hidden_states.1"));
  expectGolden(encodeSounds(encoder, audio, mel), named(expected, "enc.hidden_states.2"));
});

test("audio features are groups of positions, the last filled up with zeros, through the projector", () => {
  const mel = named(expected, "in.input_features");
  const states = named(expected, "enc.hidden_states.2").arraySync() as number[][][];

  const features = audioFeatures(params, config, mel);

  // 36 positions in groups of 7: six tokens, the last with one position and six rows of zeros.
  const groups = states.flatMap((sound) => Array.from({ length: 6 }, (_, g) => Array.from({ length: 7 }, (__, i) => sound[g * 7 + i] ?? Array<number>(48).fill(0)).flat()));
  expect(tokensPerSound(config)).toBe(6);
  expect(features.shape).toEqual([12, 10]);
  expectGolden(features, project(params.scope("audio_mlp"), tf.tensor2d(groups)));
});

test("a sound alone equals its row in a batch", () => {
  const mel = named(expected, "in.input_features");

  const [, second] = tf.split(audioFeatures(params, config, mel), 2);
  const alone = audioFeatures(params, config, tf.slice(mel, [1, 0, 0], [1, 80, 72]));

  expect(relativeError(alone, second!)).toBeLessThan(1e-6);
});

test("a log-mel of another length is refused, and so is sound without an audio tower", () => {
  const deaf = modelConfigSchema.parse(JSON.parse(readFileSync(goldenPath("internvl2-qwen2", "config.json"), "utf8")));

  expect(() => audioFeatures(params, config, tf.zeros([1, 80, 70]))).toThrow("log-mel with 70 frames, the encoder takes exactly 72");
  expect(() => audioFeatures(params, deaf, tf.zeros([1, 80, 72]))).toThrow("sound for a model without audio_config");
});

function projectorWeights({ width, out }: { width: number; out: number }): [string, Tensor][] {
  const shapes: Record<string, number[]> = { "0.weight": [width], "0.bias": [width], "1.weight": [out, width], "1.bias": [out], "3.weight": [out, out], "3.bias": [out] };
  return Object.entries(shapes).map(([name, shape]) => [`audio_mlp.${name}`, randomTensor(name, shape, 0.2)]);
}

import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { concatArrays } from "../../src/core/arrays.ts";
import type { BatchMedia } from "../../src/curriculum/batch-media.ts";
import { batchFeatures } from "../../src/model/batch-features.ts";
import type { ParamStore } from "../../src/model/params.ts";
import { encodeClipFrames, encodeClipSound, statesShape } from "../../src/model/tower-states.ts";
import { TOY_MEDIA_ROWS, toyMedia, toyWeights } from "../train/toy-rows.ts";
import { relativeError, useBackend } from "./support.ts";
import { toyConfig } from "./toy-model.ts";

const TIMEOUT_MS = 60_000;
const { videoTokens, audioTokens } = TOY_MEDIA_ROWS;
const D = toyConfig.llm_config.hidden_size;

let params: ParamStore;

describe.each(["cpu", "onnxruntime"])("on %s", (backend) => {
  beforeEach(async () => {
    await useBackend(backend);
    params = toyWeights();
  });
  afterEach(() => params.dispose());

  test.each([2, 3])("%d clips have the features that each has alone, in order: the padding to an even number does not show", { timeout: TIMEOUT_MS }, (count) => {
    const clips = ["a", "b", "c", "d", "e"].slice(0, count);

    const { visual, audio } = features(clips, clips);
    const singles = clips.map((clip) => features([clip], [clip]));

    expect(visual!.shape).toEqual([count * videoTokens, D]);
    expect(audio!.shape).toEqual([count * audioTokens, D]);
    singles.forEach((single, i) => {
      expect(relativeError(tf.slice(visual!, [i * videoTokens, 0], [videoTokens, D]), single.visual!)).toBeLessThan(2e-6);
      expect(relativeError(tf.slice(audio!, [i * audioTokens, 0], [audioTokens, D]), single.audio!)).toBeLessThan(2e-6);
    });
    if (count > 1) expect(relativeError(singles[0]!.visual!, singles[1]!.visual!)).toBeGreaterThan(0.01);
  });

  test("states that the towers gave clip by clip become the features that the towers give in the batch, and the projectors get the same gradients", { timeout: TIMEOUT_MS }, async () => {
    const clips = ["a", "b", "c"];
    params.setTrainable(params.names().filter((name) => /^(mlp1|audio_mlp)\./.test(name)));
    const media = toyMedia({ videoClips: clips, audioClips: clips });
    const singles = clips.map((clip) => toyMedia({ videoClips: [clip], audioClips: [clip] }));
    const patches = await Promise.all(singles.map(({ pixels }) => encodeClipFrames(params, toyConfig, pixels!.values)));
    const sounds = await Promise.all(singles.map(({ mel }) => encodeClipSound(params, toyConfig, mel!.values)));
    const states = {
      patchStates: { values: concatArrays(Float32Array, patches), shape: [3, ...statesShape(toyConfig, "video", 2)] },
      soundStates: { values: concatArrays(Float32Array, sounds), shape: [3, ...statesShape(toyConfig, "audio", 2)] },
    };
    const weights = params.names().filter((name) => params.isTrainable(name)).map((name) => params.get(name));
    const valueAndGradients = (input: BatchMedia): tf.Tensor[] => {
      const { value, grads } = tf.valueAndGrads(() => {
        const { visual, audio } = batchFeatures(params, toyConfig, input);
        return tf.sum(tf.square(tf.concat([visual!, audio!], 0)));
      })(weights);
      return [value, ...grads];
    };

    expect(Object.values(states).map(({ values, shape }) => values.length === shape.reduce((product, side) => product * side))).toEqual([true, true]);
    const [fromStates, fromMedia] = [batchFeatures(params, toyConfig, states), batchFeatures(params, toyConfig, media)];
    expect(relativeError(fromStates.visual!, fromMedia.visual!)).toBeLessThan(2e-6);
    expect(relativeError(fromStates.audio!, fromMedia.audio!)).toBeLessThan(2e-6);
    const [some, others] = [valueAndGradients(states), valueAndGradients(media)];
    expect(some.length).toBe(1 + 2 * 6);
    some.forEach((tensor, i) => expect(relativeError(tensor, others[i]!), `gradient ${i}`).toBeLessThan(1e-5));
  });

  test("padding adds nothing to the gradients", { timeout: TIMEOUT_MS }, () => {
    const names = params.names().filter((name) => /^(vision_model|mlp1|audio_model|audio_mlp)\./.test(name));
    const weights = names.map((name) => params.get(name));
    const sum = (tensors: readonly (tf.Tensor | undefined)[]): tf.Scalar => tf.addN(tensors.map((tensor) => tf.sum(tf.square(tensor!)))) as tf.Scalar;
    const gradients = (clips: readonly string[]): tf.Tensor[] =>
      tf.grads(() => {
        const { visual, audio } = features(clips, clips);
        return sum([visual, audio]);
      })(weights);

    const three = gradients(["a", "b", "c"]);
    const [two, one] = [gradients(["a", "b"]), gradients(["c"])];

    expect(names.length).toBeGreaterThan(60);
    const overall = Math.max(...three.map((gradient) => largest(gradient)));
    three.forEach((gradient, i) => expect(largest(tf.sub(gradient, tf.add(two[i]!, one[i]!))) / overall, names[i]).toBeLessThan(1e-5));
  });

  test("what a batch does not have is absent, and what was made is freed but for the result", { timeout: TIMEOUT_MS }, () => {
    const first = features(["a"], []);
    const before = tf.memory().numTensors;

    const again = features(["a"], []);

    expect(Object.keys(first)).toEqual(["visual"]);
    expect(Object.keys(features([], ["a"]))).toEqual(["audio"]);
    expect(features([], [])).toEqual({});
    expect(tf.memory().numTensors - before).toBe(2); // `again`, and the audio features
    expect(relativeError(again.visual!, first.visual!)).toBe(0);
  });
});

function features(videoClips: readonly string[], audioClips: readonly string[]): ReturnType<typeof batchFeatures> {
  return batchFeatures(params, toyConfig, toyMedia({ videoClips, audioClips }));
}

function largest(tensor: tf.Tensor): number {
  return tensor.dataSync<"float32">().reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

import { expect, test } from "vitest";
import { selectBackend } from "../../src/backend/select.ts";
import { compareSteps, isSameStep, tinyStep } from "../../src/doctor/step-check.ts";
import { TINY_CONFIG, tinyBatch, tinyTrained, tinyWeights } from "../../src/doctor/tiny-model.ts";

test("the batch has frames, sound, two branches, a tree of words and padding", () => {
  const { batch, media } = tinyBatch();
  const [row] = batch.rows;

  expect(row?.segments.map(({ parent }) => parent)).toEqual([0, 1, 1, 0]);
  expect([batch.videoClips.length, batch.audioClips.length, batch.supervisedTokens]).toEqual([1, 1, 3 + 2 + 4]);
  expect(batch.usedTokens).toBeLessThan(batch.length);
  expect([media.pixels?.shape, media.mel?.shape]).toEqual([[1, 2, 16, 16, 3], [1, 4, 24]]);
  expect(new Set(batch.featureIndex).size).toBe(1 + 2 * 4 + 3); // every feature once, and none
});

test("every parameter is reached: on onnxruntime the gradients are the reference's and none of them is zero", { timeout: 60_000 }, async () => {
  await selectBackend("cpu");
  const reference = await tinyStep();
  await selectBackend("onnxruntime");
  const difference = compareSteps(reference, await tinyStep());

  const params = tinyWeights();
  expect([...reference.gradients.keys()]).toEqual(tinyTrained(params));
  params.dispose();
  // exact zeros: a key's bias shifts all of a query's scores alike
  const idle = [...reference.gradients].filter(([name, gradient]) => !name.endsWith("k_proj.bias") && gradient.every((value) => Math.abs(value) < 1e-6));
  expect(idle.map(([name]) => name)).toEqual([]);
  expect(reference.losses.every((loss) => loss > 0.5 * Math.log(TINY_CONFIG.llm_config.vocab_size))).toBe(true);
  expect(reference.milliseconds).toBeGreaterThan(0);
  expect(isSameStep(difference)).toBe(true);
});

test("a difference is measured against the largest number of its parameter, noise against the model's", () => {
  const step = (losses: number[], gradients: Record<string, number[]>) => ({ losses, gradients: new Map(Object.entries(gradients).map(([name, values]) => [name, Float32Array.from(values)])) });
  const reference = step([2, 4], { w: [1, -2], bias: [1e-9, 0] });

  expect(compareSteps(reference, reference)).toEqual({ loss: 0, gradient: 0, worst: "" });
  expect(compareSteps(reference, step([2, 5], { w: [1, -1], bias: [1e-9, 0] }))).toEqual({ loss: 0.25, gradient: 0.5, worst: "w" });
  expect(compareSteps(reference, step([2, 4], { w: [1, -2], bias: [1e-6, 0] })).gradient).toBeCloseTo(5e-4, 5); // 1e-6 / (2 * 1e-3)
  expect(compareSteps(reference, step([NaN, 4], { w: [1, -2], bias: [0, Infinity] }))).toEqual({ loss: null, gradient: null, worst: "bias" });
  expect(compareSteps(reference, step([2, 4], { w: [1, -2] })).gradient).toBeNull(); // a gradient that is missing
});

test("a step is the reference's within 1e-4 of the loss and 1e-3 of the gradients", () => {
  expect(isSameStep({ loss: 1e-4, gradient: 1e-3 })).toBe(true);
  expect([isSameStep({ loss: 1.1e-4, gradient: 0 }), isSameStep({ loss: 0, gradient: 1.1e-3 }), isSameStep({ loss: null, gradient: 0 }), isSameStep({ loss: 0, gradient: null })]).toEqual([false, false, false, false]);
});

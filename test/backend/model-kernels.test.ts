import { getKernelsForBackend, profile, type Tensor } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { registerGradients } from "../../src/backend/gradients.ts";
import { MODEL_KERNELS } from "../../src/backend/model-kernels.ts";
import { selectBackend } from "../../src/backend/select.ts";
import { TINY_CONFIG, tinyBatch, tinyTrained, tinyWeights } from "../../src/doctor/tiny-model.ts";
import { batchFeatures } from "../../src/model/batch-features.ts";
import { generateGreedy } from "../../src/model/generate.ts";
import { lossAndGradients, lossOnly } from "../../src/train/micro-batch.ts";

test("the list of kernels is what training, scoring and writing run, no more and no less", { timeout: 60_000 }, async () => {
  await selectBackend("cpu");
  registerGradients();
  const params = tinyWeights();
  const input = tinyBatch();
  const trained = tinyTrained(params);

  const { kernelNames } = await profile(async () => {
    const results: Tensor[] = [];
    for (const kept of ["intermediates", "inputs"] as const) {
      params.setTrainable(trained, kept);
      const { losses, gradients } = lossAndGradients(params, TINY_CONFIG, input, trained);
      results.push(losses, ...gradients.values());
    }
    await lossOnly(params, TINY_CONFIG, input);
    const row = { ...input.batch, features: () => batchFeatures(params, TINY_CONFIG, input.media), ends: [23, 33] };
    const answers: unknown[] = [];
    for await (const some of generateGreedy(params, TINY_CONFIG, { rows: [row], maxNewTokens: 3, stopIds: new Set() })) answers.push(...some);
    expect(answers.length).toBe(2);
    return results;
  });

  // tfjs records the names of custom gradients too; they are no kernels.
  const kernels = new Set(getKernelsForBackend("cpu").map(({ kernelName }) => kernelName));
  expect(kernelNames.filter((name) => kernels.has(name)).sort()).toEqual([...MODEL_KERNELS]);
});

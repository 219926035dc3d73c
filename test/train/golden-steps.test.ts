import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { loadWeights, readModelFolder } from "../../src/model/checkpoints/hf-folder.ts";
import { readAdapter } from "../../src/model/checkpoints/peft.ts";
import { maskedCrossEntropy } from "../../src/model/cross-entropy.ts";
import { hiddenStates, logitsAt } from "../../src/model/emoverse.ts";
import { adamwUpdate, type AdamWState } from "../../src/train/adamw.ts";
import { clipGradients } from "../../src/train/clip-gradients.ts";
import { trainableParameters } from "../../src/train/trainable.ts";
import { goldenPath } from "../golden/golden.ts";
import { causalBias, embed, integers, PEFT_PREFIX, type GoldenChat } from "../model/golden-chat.ts";
import { goldenTensors, named, useCpuBackend } from "../model/support.ts";
import { emptyStore } from "../model/toy-model.ts";

// From expected.json, `lora`.
const LOSSES = [7.172294616699219, 6.281767845153809, 5.638089179992676];
const NORMS = [9.641672736571476, 7.86366764639541];

test("a folder, an adapter, two steps: losses, gradient norms and weights are PyTorch's", { timeout: 60_000 }, async () => {
  const store = await emptyStore();
  await useCpuBackend();
  const model = await readModelFolder(goldenPath("internvl2-qwen2"));
  await loadWeights(model, store);
  await readAdapter(goldenPath("internvl2-qwen2", "lora"), store);
  const chat: GoldenChat = { params: store, config: model.config, expected: await goldenTensors("internvl2-qwen2", "expected.safetensors") };
  const rates = trainableParameters([{ match: "lora_|^mlp1\\.", learningRate: 1e-3 }], store.names(), "trainable");
  store.setTrainable(rates.keys());
  const state: AdamWState = new Map();
  const losses: number[] = [];
  const norms: number[] = [];

  for (let step = 0; step < 2; step++) {
    const { loss, gradients } = lossAndGradients(chat, [...rates.keys()]);
    const clipped = clipGradients(gradients, { maxNorm: Infinity });
    if (clipped.kind === "non-finite") throw new Error("not finite");
    losses.push(loss);
    norms.push(clipped.norm);
    const options = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 };
    adamwUpdate(store, state, { gradients, gradientScale: clipped.factor, learningRate: (name) => rates.get(name) ?? 0, decays: () => true, options });
  }
  losses.push(tf.tidy(() => meanLoss(chat).dataSync()[0] ?? NaN));

  expect(rates.size).toBe(34);
  losses.forEach((loss, i) => expect(loss / LOSSES[i]!).toBeCloseTo(1, 4));
  norms.forEach((norm, i) => expect(norm / NORMS[i]!).toBeCloseTo(1, 4));
  const names = [...chat.expected.keys()].filter((name) => name.startsWith("step2."));
  expect(names.length).toBe(14);
  for (const name of names) {
    const [after, expected] = [store.get(name.slice(`step2.${PEFT_PREFIX}`.length)).dataSync(), named(chat.expected, name).dataSync()];
    const gradient = named(chat.expected, name.replace("step2.", "grad.")).dataSync();
    const largest = Math.max(...gradient.map(Math.abs));
    // The sign of a nearly zero gradient is a matter of rounding, and the first step goes by the sign.
    expected.forEach((value, i) => expect(Math.abs(after[i]! - value), `${name}[${i}]`).toBeLessThan(Math.abs(gradient[i]!) < 1e-4 * largest ? 4.4e-3 : 2e-5));
  }
});

function lossAndGradients(chat: GoldenChat, names: readonly string[]): { loss: number; gradients: Map<string, tf.Tensor> } {
  const { value, grads } = tf.valueAndGrads(() => meanLoss(chat))(names.map((name) => chat.params.get(name)));
  return { loss: value.dataSync()[0] ?? NaN, gradients: new Map(names.map((name, i) => [name, grads[i]!])) };
}

/** Mean over the labels of both sequences; position t - 1 predicts label t. */
function meanLoss(chat: GoldenChat): tf.Scalar {
  const labels = integers(chat.expected, "in.labels");
  const targets = [...labels.keys()].filter((t) => labels[t]! >= 0);
  const hidden = hiddenStates(chat.params, chat.config, {
    embeds_BSD: embed(chat, integers(chat.expected, "in.input_ids"), { batchSize: 2, tiles: [0, 1, 2] }),
    positionIds: integers(chat.expected, "in.position_ids"),
    bias_BSL: causalBias(integers(chat.expected, "in.attention_mask"), { batchSize: 2, queries: 28 }),
  });
  const logits = logitsAt(chat.params, chat.config, hidden, Int32Array.from(targets, (t) => t - 1));
  return tf.div(maskedCrossEntropy(logits, Int32Array.from(targets, (t) => labels[t]!)).sum, targets.length);
}

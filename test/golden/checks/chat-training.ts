/** @file The adapter of an internvl-chat set: logits, loss, every gradient, and two AdamW steps. */
import * as tf from "@tensorflow/tfjs-core";
import type { Tensor } from "@tensorflow/tfjs-core";
import { z } from "zod";
import { readAdapter } from "../../../src/model/checkpoints/peft.ts";
import type { ParamStore } from "../../../src/model/params.ts";
import { adamwUpdate, type AdamWState } from "../../../src/train/adamw.ts";
import { clippedNorm } from "../../../src/train/clip-gradients.ts";
import { readStepNumbers } from "../../../src/train/step-numbers.ts";
import { allLogits, batchInputs, meanLoss, type ChatModel } from "../chat-model.ts";
import type { Check } from "../check-set.ts";
import { ofMaximum, relative, type Comparison } from "../comparison.ts";

const optimizerSchema = z.looseObject({
  lr: z.number().default(1e-3),
  betas: z.tuple([z.number(), z.number()]).default([0.9, 0.95]),
  eps: z.number().default(1e-8),
  weight_decay: z.number().default(0.1),
});
const loraSchema = z.looseObject({
  loss: z.number(),
  loss_after_step1: z.number().optional(),
  loss_after_step2: z.number().optional(),
  grad_norm: z.number().optional(),
  grad_norm_step2: z.number().optional(),
  trained: z.array(z.string()),
  optimizer: optimizerSchema.prefault({}),
});
type Lora = z.infer<typeof loraSchema>;

/** A step's numbers agree to this where the gradient is not nearly zero. */
const STEP_TOLERANCE = 2e-5;
/** A gradient below this share of its tensor's largest may have either sign, and the first steps go by the sign. */
const NEARLY_ZERO = 1e-4;
/** How far two steps and the decay can move a value, in learning rates. */
const LONGEST_WAY = 2.2;

export function checkTraining(model: ChatModel): Check[] {
  const { lora } = model.set.json(z.looseObject({ lora: loraSchema.optional() }));
  if (lora === undefined) return [];
  let training: Training | undefined;
  const started = async (): Promise<Training> => (training ??= await startTraining(model, lora));
  return [
    { name: "lora.*, grad.*", run: async () => checkGradients(await started()) },
    { name: "step1.*", run: async () => checkStep(await started(), 1) },
    { name: "step2.*", run: async () => checkStep(await started(), 2) },
  ];
}

interface Training {
  readonly model: ChatModel;
  readonly lora: Lora;
  /** Key in the set -> name in the store. */
  readonly names: ReadonlyMap<string, string>;
  readonly state: AdamWState;
  /** Values before the first step, by key. */
  readonly start: ReadonlyMap<string, Float32Array>;
}

async function startTraining(model: ChatModel, lora: Lora): Promise<Training> {
  await readAdapter(model.set.path("lora"), model.params);
  const names = new Map(lora.trained.map((key) => [key, storeName(key, model.params)]));
  model.params.setTrainable(names.values());
  const start = new Map([...names].map(([key, name]) => [key, Float32Array.from(model.params.get(name).dataSync())]));
  return { model, lora, names, state: new Map(), start };
}

/** PEFT's prefix and live names away. */
function storeName(key: string, params: ParamStore): string {
  const plain = key.replace(/^base_model\.model\./, "").replace(/\.(lora_[AB])\.default\./, ".$1.").replace(/\.modules_to_save\.default\./, ".");
  const name = [plain, `language_model.${plain}`].find((candidate) => params.has(candidate));
  if (name === undefined) throw new Error(`"${key}" is trained in the set, but the model has no such tensor`);
  return name;
}

async function checkGradients({ model, lora, names }: Training): Promise<Comparison[]> {
  const { set } = model;
  const mask = set.integers("in.attention_mask");
  const { loss, gradients, norm } = await backward(model, [...names.values()]);
  return [
    ...(set.has("lora.logits") ? [ofMaximum("lora.logits", allLogits(model, batchInputs(model)), set.tensor("lora.logits"), mask)] : []),
    relative("lora.loss", loss, lora.loss),
    ...(lora.grad_norm === undefined ? [] : [relative("lora.grad_norm", norm, lora.grad_norm)]),
    ...[...names].filter(([key]) => set.has(`grad.${key}`)).map(([key, name]) => ofMaximum(`grad.${key}`, gradientOf(gradients, name), set.tensor(`grad.${key}`))),
  ];
}

/** One update from the model's own gradients; then the weights and the loss. */
async function checkStep(training: Training, step: 1 | 2): Promise<Comparison[]> {
  const { model, lora, names, state } = training;
  const { gradients, norm } = await backward(model, [...names.values()]);
  const { lr, betas: [beta1, beta2], eps: epsilon, weight_decay: weightDecay } = lora.optimizer;
  await adamwUpdate(model.params, state, { gradients, gradientScale: 1, learningRate: () => lr, decays: () => true, options: { beta1, beta2, epsilon, weightDecay } });
  const [expectedNorm, expectedLoss] = step === 1 ? [undefined, lora.loss_after_step1] : [lora.grad_norm_step2, lora.loss_after_step2];
  return [
    ...(expectedNorm === undefined ? [] : [relative("lora.grad_norm_step2", norm, expectedNorm)]),
    ...[...names].filter(([key]) => model.set.has(`step${step}.${key}`)).map(([key, name]) => compareStep(training, { array: `step${step}.${key}`, key, name })),
    ...(expectedLoss === undefined ? [] : [relative(`lora.loss_after_step${step}`, tf.tidy(() => meanLoss(model).dataSync()[0] ?? NaN), expectedLoss)]),
  ];
}

function compareStep({ model, lora, start }: Training, { array, key, name }: { array: string; key: string; name: string }): Comparison {
  const expected = model.set.tensor(array).dataSync();
  const actual = model.params.get(name).dataSync();
  const gradient = Float32Array.from(model.set.tensor(`grad.${key}`).dataSync());
  const before = start.get(key) ?? new Float32Array();
  const largest = gradient.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  let [worst, strays] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const isNearlyZero = Math.abs(gradient[i] ?? NaN) < NEARLY_ZERO * largest;
    const difference = Math.abs((actual[i] ?? NaN) - ((isNearlyZero ? before[i] : expected[i]) ?? NaN));
    if (isNearlyZero) strays += difference <= LONGEST_WAY * lora.optimizer.lr ? 0 : 1;
    else worst = Math.max(worst, Number.isNaN(difference) ? Infinity : difference);
  }
  const comparison = { array, worst, tolerance: STEP_TOLERANCE, measure: "absolute", isOk: worst <= STEP_TOLERANCE && strays === 0 && actual.length === expected.length } as const;
  return strays === 0 ? comparison : { ...comparison, note: `${strays} values whose gradient is nearly zero moved further than ${LONGEST_WAY} learning rates` };
}

async function backward(model: ChatModel, names: readonly string[]): Promise<{ loss: number; gradients: Map<string, Tensor>; norm: number }> {
  const { value, grads } = tf.valueAndGrads(() => meanLoss(model))(names.map((name) => model.params.get(name)));
  const gradients = new Map(names.map((name, i) => [name, grads[i] ?? value]));
  const { squares } = await readStepNumbers({ losses: [], gradients });
  const clipped = clippedNorm(squares, { maxNorm: Infinity });
  return { loss: value.dataSync()[0] ?? NaN, gradients, norm: clipped.kind === "finite" ? clipped.norm : NaN };
}

function gradientOf(gradients: ReadonlyMap<string, Tensor>, name: string): Tensor {
  const gradient = gradients.get(name);
  if (gradient === undefined) throw new Error(`no gradient of ${name}`);
  return gradient;
}

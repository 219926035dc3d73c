/**
 * @file RunConfig: the whole experiment as data. The method is this file: stages with their mixtures, what they train
 * and how long. Every default lives here and nowhere else. Paths are relative to the file that names them.
 */
import { z } from "zod";
import { ADAPTER_PREFIX, BACKENDS, FROZEN_BASES, PRECISIONS } from "../backend/names.ts";
import { FLOAT_TYPES } from "../core/half-floats.ts";
import { SPLITS } from "../data/record.ts";
import { CAUSE_PROMPTS, EMOTION_PROMPTS, PAPER_FORM, TURN_VIEWS } from "../tasks/prompt-form.ts";
import { TASK_NAMES } from "../tasks/task.ts";

export const MODALITIES = ["video", "audio", "text"] as const;

const positiveInteger = z.number().int().positive();
const fraction = z.number().min(0).max(1);
/** Like a fraction, but 1 would divide by zero (bias correction). */
const share = z.number().min(0).lt(1);

const backendSchema = z.union([z.enum(BACKENDS), z.templateLiteral([ADAPTER_PREFIX, z.string().min(1)]).describe("webgpu:NAME with part of an adapter's name")]);

/** `high`, `low` or a number: the probability that a unit (clip, conversation) brings this task in one epoch. */
const mixtureLevel = z.union([z.string(), fraction]);

const dataSchema = z.strictObject({
  root: z.string().describe("dataset folder: train.jsonl, val.jsonl, test.jsonl and the media they name"),
  synthetic: z
    .strictObject({ clips: positiveInteger.describe("number of clips over all splits"), seed: z.number().int().default(1) })
    .optional()
    .describe("render this dataset into root when root does not exist"),
  frames: positiveInteger.max(1024).default(8).describe("frames per clip, uniformly spaced"),
  conversationClip: z.enum(["target", "none"]).default("target").describe("clip that a prompt about a conversation shows: the target utterance's, as in the paper, or none"),
  emotionPrompt: z.enum(EMOTION_PROMPTS).default(PAPER_FORM.emotionPrompt).describe("ERC: about an utterance on its own, as in the paper, or with its whole dialogue, later turns too, in front"),
  causePrompt: z.enum(CAUSE_PROMPTS).default(PAPER_FORM.causePrompt).describe("ECPE: every turn's gold emotion is shown, as in the paper, or none is and the emotion is part of the answer, as in SemEval-2024 task 3"),
  causeTurns: z
    .strictObject({
      before: z.number().int().nonnegative().max(1000),
      after: z.number().int().nonnegative().max(1000),
      show: z.enum(TURN_VIEWS).default("words").describe("a turn's words, or outline: without them its emotion, its length (a letter, A for no word to G for 15 and more) and whether the target's speaker says it; where emotions are asked for, the target's own words too"),
    })
    .optional()
    .describe("ECPE: so many turns before and after the target are shown alone, numbered so that the target always has the same number; absent: the whole conversation, as in the paper"),
  onBad: z.enum(["error", "drop"]).default("error").describe("unreadable media, over-long samples: stop, or drop and count"),
  modalities: z.array(z.enum(MODALITIES)).min(1).default([...MODALITIES]).describe("inputs that are switched on"),
  cache: z.string().optional().describe("folder for decoded clips and frozen features, which runs may share; default: <run>/cache"),
  cacheGigabytes: z.number().positive().default(100).describe("most that the cache folder holds, in 1e9 bytes; what was not used for longest is removed"),
  memoryGigabytes: z.number().nonnegative().default(1).describe("decoded clips and frozen features kept in memory, in 1e9 bytes; the rest is read again when it is needed"),
  featureType: z.enum(FLOAT_TYPES).default("float32").describe("what the outputs of a frozen tower are rounded to, on disk and off it; 16 bits take half the space"),
  workers: positiveInteger.default(2).describe("clips decoded at the same time"),
});

const modelSchema = z.strictObject({
  folder: z.string().describe("Hugging Face style folder: config.json, tokenizer.json and, unless randomly started, safetensors"),
  audioFolder: z.string().optional().describe("whisper-* folder whose encoder hears the clips, through a projector that starts at random; absent: no sound, as in the paper, unless the model folder has an audio tower of its own"),
  init: z.enum(["weights", "random"]).default("weights").describe("start from the folder's weights, or random from its config.json"),
  frozenBase: z.enum(FROZEN_BASES).default("float32").describe("how the matrices in the layers of decoder and towers are kept; float16 on the backend webgpu: in half the memory; int8 on the backend onnxruntime: in a quarter; other backends round alike and keep floats; no stage trains what is rounded, only adapters, projectors, embeddings and norms"),
  system: z.string().default("You are an sentiment and emotion analysis expert.").describe("system turn (the paper's wording)"),
});

export const loraSchema = z.strictObject({
  from: z.string().optional().describe("PEFT folder (adapter_config.json, adapter_model.safetensors) made for this base model: the stage starts from its adapters instead of new ones; rank, alpha and targets are then its own"),
  targets: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .describe("modules that get a new adapter: regular expression over full module names, or a list of module name endings, e.g. [q_proj, v_proj]"),
  rank: positiveInteger.default(8),
  alpha: z.number().positive().default(32).describe("scale is alpha / rank"),
  rankPattern: z.record(z.string(), positiveInteger).default({}).describe("other ranks by module: name endings, or regular expressions for them; the first that matches decides, as PEFT's rank_pattern"),
  alphaPattern: z.record(z.string(), z.number().positive()).default({}).describe("other alphas by module, as rankPattern"),
  rslora: z.boolean().default(false).describe("scale is alpha / sqrt(rank) (rank-stabilised)"),
  dropout: share.default(0).describe("probability that a number is dropped on its way into an adapter, in training alone; holds for the stages that go on with these adapters too"),
});

const trainableSchema = z.strictObject({
  match: z.string().describe("regular expression over full parameter names; the first entry that matches decides"),
  learningRate: z.number().nonnegative().describe("0 = frozen"),
});

const stageSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/, "lower-case letters, digits and dashes"),
  initFrom: z.string().default("base").describe("base, or the name of an earlier stage"),
  mixture: z.partialRecord(z.enum(TASK_NAMES), mixtureLevel).describe("task: high | low | probability per unit and epoch"),
  lora: loraSchema.optional().describe("adapters added in this stage; absent: those of the stage before, if any"),
  dropout: share.default(0).describe("probability that a number is dropped from what attention and MLP of a decoder layer add to its input, in training alone: against learning a small dataset by heart"),
  promptWeight: fraction.default(0).describe("what a word of a prompt, predicted from those before it as in pretraining, counts in the loss, where a word of an answer counts 1; 0: answers alone are learned, as in the paper"),
  trainable: z.array(trainableSchema).min(1).describe("what is trained, with peak learning rates; what no entry matches is frozen"),
  optimizer: z
    .strictObject({
      beta1: share.default(0.9),
      beta2: share.default(0.95),
      epsilon: z.number().positive().default(1e-8),
      weightDecay: z.number().nonnegative().default(0.1),
      clipNorm: z.number().positive().default(1).describe("largest global gradient norm"),
    })
    .prefault({}),
  schedule: z
    .strictObject({
      kind: z.enum(["cosine", "linear", "constant"]).default("cosine"),
      warmup: fraction.default(0.05).describe("share of the steps with rising learning rate"),
      floor: fraction.default(0).describe("final learning rate as a share of the peak"),
    })
    .prefault({}),
  budget: z
    .strictObject({
      epochs: z.number().positive().max(10_000).default(2).describe("passes over the mixture"),
      maxSteps: positiveInteger.optional().describe("stop after this many optimizer steps"),
      rowTokens: positiveInteger.default(4096).describe("length of a packed row"),
      rowsPerBatch: positiveInteger.default(1),
      accumulation: positiveInteger.default(8).describe("batches per optimizer step"),
      gradientCheckpointing: z.boolean().default(false).describe("keep nothing but the input of each layer for the backward pass and compute the rest again: the same gradients in less memory and more time"),
    })
    .prefault({}),
  checkpoints: z
    .strictObject({
      everySteps: positiveInteger.default(500),
      keep: positiveInteger.default(3),
      best: z
        .strictObject({ task: z.enum(TASK_NAMES), everySteps: positiveInteger, samples: positiveInteger.default(200) })
        .optional()
        .describe("evaluate on the validation split every so many steps and keep the best checkpoint too"),
    })
    .prefault({}),
});

const evalSchema = z.strictObject({
  split: z.enum(SPLITS).default("test"),
  decode: z.enum(["auto", "score", "generate"]).default("auto").describe("auto: label likelihood for closed answer sets, else greedy; score: cause pairs by likelihood too"),
  pairThreshold: fraction.default(0.35).describe("least probability of a cause pair that is named when ECPE is scored; F1 is largest at half of the F1 that is reached"),
  rowTokens: positiveInteger.default(4096).describe("prompt tokens run together"),
});

export const runConfigSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
  seed: z.number().int().default(42),
  backend: backendSchema.default("auto").describe("where tensors live; auto: a GPU if there is one, else the fastest on the CPU (m2se doctor tells which)"),
  precision: z.enum(PRECISIONS).default("single").describe("of large products on a webgpu card with matrix units: split adds two halves (22 bits), half rounds to one (11 bits); faster in this order"),
  data: dataSchema,
  model: modelSchema,
  levels: z.record(z.string(), fraction).default({ high: 0.8, low: 0.3 }).describe("numbers behind the mixture's words"),
  stages: z.array(stageSchema).min(1),
  eval: evalSchema.prefault({}),
});

export type RunConfig = z.infer<typeof runConfigSchema>;
export type StageConfig = z.infer<typeof stageSchema>;
export type DataConfig = z.infer<typeof dataSchema>;
export type LoraConfig = z.infer<typeof loraSchema>;
export type { BackendName } from "../backend/names.ts";
export type InputModality = (typeof MODALITIES)[number];

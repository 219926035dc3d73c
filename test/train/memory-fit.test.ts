import { expect, test } from "vitest";
import type { DeviceLimits } from "../../src/backend/device-limits.ts";
import { UserError } from "../../src/core/errors.ts";
import { expectedParameters } from "../../src/model/checkpoints/expected-parameters.ts";
import { type LlmConfig, modelConfigSchema } from "../../src/model/config.ts";
import { isLora, loraShapes } from "../../src/model/lora.ts";
import { estimateMemory, type MemoryEstimate, type MemoryInput } from "../../src/train/memory-estimate.ts";
import { stageFit, type StageFit } from "../../src/train/memory-fit.ts";
import { fitProblems, fitWarning } from "../../src/train/memory-words.ts";
import { toyConfig } from "../model/toy-model.ts";

const QWEN2_05B = { architectures: ["Qwen2ForCausalLM"], hidden_size: 896, intermediate_size: 4864, num_hidden_layers: 24, num_attention_heads: 14, num_key_value_heads: 2, vocab_size: 151_655 };
const PHI3_MINI = { architectures: ["Phi3ForCausalLM"], hidden_size: 3072, intermediate_size: 8192, num_hidden_layers: 32, num_attention_heads: 32, num_key_value_heads: 32, vocab_size: 32_064 };

const ADAPTERS = { rank: 8, alpha: 32, targets: "language_model\\..*_proj" };

interface Training {
  readonly lora: boolean;
  readonly kept: MemoryInput["kept"];
  readonly changes?: Partial<MemoryInput>;
}

/** A decoder alone on a GPU, one row of 2,048 tokens of which `supervised` reach the vocabulary. */
function decoderInput(llm: Partial<LlmConfig>, { lora, kept, changes = {} }: Training, supervised = 64): MemoryInput {
  const config = modelConfigSchema.parse({ ...toyConfig, audio_config: undefined, llm_config: { ...llm, max_position_embeddings: 4096 } });
  const own = new Map([...expectedParameters(config)].filter(([name]) => name.startsWith("language_model.") && !(llm.vocab_size === 151_655 && name.endsWith("lm_head.weight"))));
  const shapes = lora ? new Map([...own, ...loraShapes(own, ADAPTERS)]) : own;
  const trained = [...shapes.keys()].filter((name) => (lora ? isLora(name) && !name.endsWith("scale") : true));
  return { config, shapes, trained, batch: { rows: 1, length: 2048, supervised, frames: 0, sounds: 0 }, batches: 1, accumulation: 1, kept, clipBytes: 0, frozenBase: "float32", place: "fused-gpu", ...changes };
}

function card(gigabytes: number, largestTensor?: number): DeviceLimits {
  return { of: "webgpu (Fake GPU)", memory: { bytes: gigabytes * 1e9, source: "nvidia-smi" }, ...(largestTensor === undefined ? {} : { largestTensor }) };
}

function fitOn(input: MemoryInput, limits: DeviceLimits): StageFit & { readonly estimate: MemoryEstimate; readonly input: MemoryInput } {
  const estimate = estimateMemory(input);
  return { estimate, input, ...stageFit({ stage: "one", estimate, input }, limits) };
}

test("the estimate of a LoRA step on 0.5B parameters is what an H200 allocated, within 5%: 11.2 GB, of it 2.0 GB weights", () => {
  const { weights, peak, spare } = estimateMemory(decoderInput(QWEN2_05B, { lora: true, kept: "intermediates" }, 32));

  expect(weights / 1000).toBeCloseTo(2.0, 1);
  expect(peak / 11_200).toBeGreaterThan(0.95);
  expect(peak / 11_200).toBeLessThan(1.05);
  expect(spare).toBe(0); // every step was the same
});

test("4B parameters, LoRA at 2,048 tokens with checkpointing: 80 GB accepted, 16 GB refused, 24 GB accepted", () => {
  const input = decoderInput(PHI3_MINI, { lora: true, kept: "inputs" });
  const { weights, peak } = estimateMemory(input);

  expect(weights / 1000).toBeCloseTo(15.3, 1); // 3.82e9 numbers
  // By hand: weights; adapters with gradient and moments; 2 states a layer and 6; a layer twice; three times the logits.
  const [rows, width, inner] = [2048, 3072, 8192];
  const byHand = rows * ((2 * 32 + 6) * width + 2 * (12 * width + 3 * inner + 32)) + 3 * 64 * 32_064;
  const media = peak - weights - (byHand * 4) / 1e6;
  expect(media / 1000).toBeLessThan(0.2); // of 18 GB: the adapters'
  expect(fitOn(input, card(80)).verdict).toBe("fits");
  expect(fitOn(input, card(24)).verdict).toBe("fits");
  expect(fitOn(input, card(16)).verdict).toBe("exceeds");
});

test("4B parameters trained in full: 61 GB before any activation; refused on 80 GB, and accepted with checkpointing", () => {
  const { estimate, verdict, savings } = fitOn(decoderInput(PHI3_MINI, { lora: false, kept: "intermediates" }), card(80));
  const checkpointed = fitOn(decoderInput(PHI3_MINI, { lora: false, kept: "inputs" }), card(80));

  expect((estimate.weights + estimate.gradients + estimate.moments) / 1000).toBeCloseTo(61.1, 1);
  expect(estimate.peak / 1000).toBeCloseTo(93.5, 0);
  expect(verdict).toBe("exceeds");
  expect(savings.map(({ setting }) => setting)).toEqual(["budget.gradientCheckpointing: true", "budget.rowTokens: 1024", 'lora of rank 8 on the decoder, and only "lora_" trainable', "--backend onnxruntime, in this machine's memory"]);
  expect(checkpointed.verdict).toBe("fits");
  expect(savings[0]?.peak).toBe(checkpointed.estimate.peak);
});

test("what cannot fit is refused with its parts, and what every change would save", () => {
  const input = decoderInput(PHI3_MINI, { lora: false, kept: "intermediates", changes: { accumulation: 2 } });
  const fit = fitOn(input, card(80));

  const [problem, ...others] = fitProblems([fit], card(80));

  expect(others).toEqual([]);
  expect(new UserError(problem!).message.split("\n")).toEqual([
    "ConfigError memory: stage one does not fit into webgpu (Fake GPU). Got about 108.8 GB, 101.3 GB at the very least (weights 15.3 GB, gradients 30.6 GB, AdamW 30.6 GB, activations 32.4 GB or with gradient checkpointing 2.79 GB), expected at most 80.0 GB (nvidia-smi).",
    expect.stringMatching(/^ {2}What would need less: budget\.gradientCheckpointing: true saves 29\.\d GB \(about 79\.\d GB\); budget\.rowTokens: 1024 saves 16\.\d GB \(about 92\.\d GB\); budget\.accumulation: 1 saves 15\.3 GB \(about 93\.\d GB\); lora of rank 8 on the decoder, and only "lora_" trainable saves 6\d\.\d GB \(about \d\d\.\d GB\); --backend onnxruntime, in this machine's memory (saves|needs) /),
  ]);
});

test("what may fit or not is a warning, what fits is none, and of unknown memory nothing is said", () => {
  const input = decoderInput(PHI3_MINI, { lora: true, kept: "inputs" });
  const warned = (limits: DeviceLimits): string | undefined => fitWarning(fitOn(input, limits), limits);

  expect(fitProblems([fitOn(input, card(18.5))], card(18.5))).toEqual([]);
  expect(warned(card(18.5))).toMatch(/^stage one may not fit: 17\.\d GB to 19\.\d GB of the 18\.5 GB of webgpu \(Fake GPU\) \(nvidia-smi\)\. What would need less: budget\.rowTokens: 1024 saves 1\.\d\d GB \(about 16\.\d GB\); /);
  expect(warned(card(80))).toBeUndefined();
  const unknown = { of: "webgpu (Arc)" };
  expect(fitOn(input, unknown)).toMatchObject({ verdict: "unknown", savings: [] });
  expect(warned(unknown)).toBeUndefined();
  expect(fitProblems([fitOn(input, unknown)], unknown)).toEqual([]);
});

test("tensors beyond the device's limit are refused all at once, by name and size, each once for all stages", () => {
  const embedding = "language_model.model.embed_tokens.weight";
  const shapes = new Map([[embedding, [151_655, 3584]], ["language_model.lm_head.weight", [151_655, 3584]], ["language_model.model.norm.weight", [3584]]]);
  const input = { ...decoderInput(QWEN2_05B, { lora: true, kept: "inputs" }, 4000), shapes, trained: [] };
  const limits = card(80, 2 ** 31 - 4);
  const fit = fitOn(input, limits);

  const { message } = new UserError(fitProblems([fit, { ...fit, stage: "two" }], limits));

  const hint = "  Use --backend onnxruntime or tensorflow, which have no such limit, or a smaller model.";
  expect(message.split("\n")).toEqual([
    `ConfigError memory: ${embedding} is a tensor too large for webgpu (Fake GPU). Got 151,655 x 3,584 float32 = 2.17 GB, expected at most 2.15 GB.`,
    hint,
    "ConfigError memory: language_model.lm_head.weight is a tensor too large for webgpu (Fake GPU). Got 151,655 x 3,584 float32 = 2.17 GB, expected at most 2.15 GB.",
    hint,
    "ConfigError memory: logits of the largest batch is a tensor too large for webgpu (Fake GPU). Got 4,000 x 151,655 float32 = 2.43 GB, expected at most 2.15 GB.",
    "  Use a smaller budget.rowsPerBatch or budget.rowTokens, or --backend onnxruntime, which has no such limit.",
  ]);
  expect(fitOn(input, card(80)).tooLarge).toEqual([]);
});

test("batches of changing sizes leave spare buffers behind: at most half of all, and no more than the batches make", () => {
  const of = (batches: number, supervised: number): MemoryEstimate => estimateMemory(decoderInput(QWEN2_05B, { lora: true, kept: "inputs", changes: { batches } }, supervised));
  const logits = (3 * 100 * 151_655 * 4) / 1e6;

  expect(of(1, 100).spare).toBe(0);
  expect(of(3, 100).spare).toBeCloseTo(2 * logits, 3);
  expect(of(10_000, 100).spare).toBeCloseTo((of(1, 100).peak) / 2, 3);
  // They are freed before they are in the way: whether a stage fits does not depend on them.
  expect(of(10_000, 100).least).toBe(of(1, 100).least);
  expect(of(10_000, 100).most).toBe(of(1, 100).most);
});

test("on the host the error is of the whole: weights, gradients and moments alone are certain", () => {
  const input = decoderInput(QWEN2_05B, { lora: false, kept: "intermediates", changes: { place: "host", clipBytes: 1e9 } });
  const { weights, gradients, moments, clips, activations, peak, least, most } = estimateMemory(input);

  expect(peak).toBeCloseTo(300 + weights + gradients + moments + clips + activations.intermediates, 6);
  expect(least).toBe(Math.max(weights + gradients + moments + clips, peak / 1.3));
  expect(most).toBe(peak * 1.3);
  expect(fitOn(input, { of: "onnxruntime (2 CPU threads)", memory: { bytes: 8e9, source: "the container's limit" } }).verdict).toBe("exceeds");
});

test("settings that would need no less are not offered", () => {
  const many = decoderInput(PHI3_MINI, { lora: true, kept: "inputs", changes: { batch: { rows: 4, length: 2048, supervised: 256, frames: 0, sounds: 0 } } });

  expect(fitOn(many, card(16)).savings.map(({ setting }) => setting)).toEqual(["budget.rowsPerBatch: 1", "budget.rowTokens: 1024", "model.frozenBase: float16", "--backend onnxruntime, in this machine's memory"]);
});

test("in half precision a frozen base needs less: offered on a GPU under our kernels where no layer's matrix is trained, once", () => {
  const setting = "model.frozenBase: float16";
  const input = decoderInput(PHI3_MINI, { lora: true, kept: "inputs" });
  const offered = (changes: Partial<MemoryInput>, lora = true): string[] => fitOn(decoderInput(PHI3_MINI, { lora, kept: "inputs", changes }), card(8)).savings.map(({ setting: each }) => each);
  const { estimate } = fitOn({ ...input, frozenBase: "float16" }, card(8));

  expect(fitOn(input, card(8)).savings.find((saving) => saving.setting === setting)?.peak).toBe(estimate.peak);
  // By hand: 32 layers of 4 x 3072 x 3072 and 3 x 3072 x 8192 numbers, two bytes less for each.
  expect(estimateMemory(input).peak - estimate.peak).toBeCloseTo((2 * 32 * (4 * 3072 * 3072 + 3 * 3072 * 8192)) / 1e6, 6);
  expect(offered({ frozenBase: "float16" })).not.toContain(setting);
  expect(offered({ frozenBase: "int8" })).toContain(setting);
  expect(offered({}, false)).not.toContain(setting);
  for (const place of ["host", "plain-host", "gpu"] as const) expect(offered({ place })).not.toContain(setting);
});

test("a matrix in half precision counts two bytes a number against the largest tensor", () => {
  const input = decoderInput(PHI3_MINI, { lora: true, kept: "inputs", changes: { batch: { rows: 1, length: 1, supervised: 1, frames: 0, sounds: 0 } } });
  const limits = { ...card(80), largestTensor: 4 * 3072 * 16384 - 1 };
  const inLayers = (frozenBase: MemoryInput["frozenBase"]): number => fitOn({ ...input, frozenBase }, limits).tooLarge.filter(({ name }) => name.includes(".layers.")).length;

  expect(inLayers("float32")).toBeGreaterThan(0);
  expect(inLayers("float16")).toBe(0);
});

test("in 8 bits a frozen base needs less: offered on a CPU under our kernels where no layer's matrix is trained, once", () => {
  const offered = (changes: Partial<MemoryInput>, lora = true): string[] => fitOn(decoderInput(PHI3_MINI, { lora, kept: "inputs", changes }), card(8)).savings.map(({ setting }) => setting);
  const input = decoderInput(PHI3_MINI, { lora: true, kept: "inputs", changes: { place: "host" } });
  const before = estimateMemory(input);
  const { savings, estimate } = fitOn({ ...input, frozenBase: "int8" }, card(8));

  expect(offered({ place: "host" })).toContain("model.frozenBase: int8");
  expect(fitOn(input, card(8)).savings.find(({ setting }) => setting === "model.frozenBase: int8")?.peak).toBe(estimate.peak);
  // By hand: 32 layers of 4 x 3072 x 3072 and 3 x 3072 x 8192 numbers at 17/16 bytes for 4; one layer as floats while it runs.
  const layer = 4 * 3072 * 3072 + 3 * 3072 * 8192;
  expect(before.weights - estimate.weights).toBeCloseTo((32 * layer * (4 - 17 / 16)) / 1e6, 6);
  expect(before.peak - estimate.peak).toBeCloseTo((layer * (32 * (4 - 17 / 16) - 4)) / 1e6, 6);
  expect(savings.map(({ setting }) => setting)).not.toContain("model.frozenBase: int8");
  for (const place of ["plain-host", "gpu", "fused-gpu"] as const) expect(offered({ place })).not.toContain("model.frozenBase: int8");
  expect(offered({ place: "host" }, false)).not.toContain("model.frozenBase: int8");
  expect(offered({ place: "gpu" })).toContain("--backend onnxruntime, in this machine's memory");
  expect(offered({ place: "plain-host", frozenBase: "int8" })).toContain("--backend onnxruntime, in this machine's memory");
  expect(offered({ place: "plain-host" })).not.toContain("--backend onnxruntime, in this machine's memory");
});

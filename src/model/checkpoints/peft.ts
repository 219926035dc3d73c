/** @file LoRA adapters in PEFT's format: adapter_config.json and adapter_model.safetensors. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { tensor } from "@tensorflow/tfjs-core";
import { z } from "zod";
import { readFloats } from "../../backend/host-memory.ts";
import { UserError, type Problem } from "../../core/errors.ts";
import { describeSystemError, toJson, writeFileAtomic } from "../../core/files.ts";
import { nearestNames } from "../../core/suggest.ts";
import { LORA_A, LORA_B, LORA_SCALE } from "../linear.ts";
import { adaptedModules, linearModules, setAdapter } from "../lora.ts";
import type { ParamStore } from "../params.ts";
import { openSafetensors, type SafetensorsFile } from "./safetensors.ts";
import { storeTensors } from "./store-tensors.ts";
import { writeSafetensors } from "./write-safetensors.ts";

const CONFIG = "adapter_config.json";
const WEIGHTS = "adapter_model.safetensors";
const PREFIX = "base_model.model.";

const adapterConfigSchema = z.looseObject({
  peft_type: z.literal("LORA"),
  r: z.number().int().positive(),
  lora_alpha: z.number().positive(),
  bias: z.literal("none").default("none"),
  fan_in_fan_out: z.literal(false).default(false),
  use_dora: z.literal(false).default(false),
  use_rslora: z.boolean().default(false),
  rank_pattern: z.record(z.string(), z.number().int().positive()).nullish(),
  alpha_pattern: z.record(z.string(), z.number().positive()).nullish(),
});
type AdapterConfig = z.infer<typeof adapterConfigSchema>;

/**
 * Puts a PEFT adapter, and the modules saved whole beside it, on the model in `store`. Adapters made on the whole model
 * and on its language model alone are both understood.
 *
 * @returns the adapted modules.
 * @throws UserError - CheckpointError listing unknown modules, wrong shapes and missing halves, before anything is changed.
 */
export async function readAdapter(folder: string, store: ParamStore): Promise<string[]> {
  const config = await readAdapterConfig(join(folder, CONFIG));
  const file = await openSafetensors(join(folder, WEIGHTS));
  try {
    const { adapters, whole } = planAdapter(file, config, store);
    for (const { module, a, b, scale } of adapters) {
      setAdapter(store, module, { a: await readTensor(file, a), b: await readTensor(file, b), scale });
    }
    for (const [name, key] of whole) store.set(name, await readTensor(file, key));
    return adapters.map(({ module }) => module);
  } finally {
    await file.close();
  }
}

/**
 * Writes the adapters of `store`, and the named other parameters as `modules_to_save`, so that PEFT can load them.
 *
 * @param baseModel - recorded as base_model_name_or_path.
 */
export async function writeAdapter(folder: string, store: ParamStore, { baseModel, alsoTrained }: { baseModel: string; alsoTrained: readonly string[] }): Promise<void> {
  const modules = adaptedModules(store);
  const names = [...modules.flatMap((module) => [`${module}.${LORA_A}`, `${module}.${LORA_B}`]), ...alsoTrained];
  await writeSafetensors(join(folder, WEIGHTS), storeTensors(store, names).map((each) => ({ ...each, name: PREFIX + each.name })), { format: "pt" });
  await writeFileAtomic(join(folder, CONFIG), toJson(await describeAdapter(store, modules, { baseModel, alsoTrained })));
}

async function readAdapterConfig(path: string): Promise<AdapterConfig> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    throw describeSystemError(error, path);
  });
  const parsed = adapterConfigSchema.safeParse(parseJson(text, path));
  if (parsed.success) return parsed.data;
  throw new UserError(parsed.error.issues.map((issue) => ({ kind: "CheckpointError", where: path, what: `${issue.path.join(".") || "the file"}: ${issue.message}`, hint: "Only plain LoRA adapters can be read." })));
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError({ kind: "CheckpointError", where: path, what: "Got a file that is not JSON, expected PEFT's adapter_config.json" }, { cause: error });
  }
}

interface PlannedAdapter {
  readonly module: string;
  /** Keys in the file. */
  readonly a: string;
  readonly b: string;
  readonly scale: number;
}

/** Which key goes where; every key must have a place with the right shape. */
function planAdapter(file: SafetensorsFile, config: AdapterConfig, store: ParamStore) {
  const problems: string[] = [];
  const halves = new Map<string, { a?: string; b?: string }>();
  const whole = new Map<string, string>();
  const modules = new Set(linearModules(store.shapes()));
  for (const key of file.names) {
    const { path, half } = splitKey(key);
    const known = [path, `language_model.${path}`].find((name) => (half === undefined ? store.has(name) : modules.has(name)));
    if (known === undefined) problems.push(`tensor "${key}" belongs to no ${half === undefined ? "parameter" : "linear module"} of this model${nearest(path, half === undefined ? store.names() : [...modules])}`);
    else if (half === undefined) whole.set(known, key);
    else halves.set(known, { ...halves.get(known), [half]: key });
  }
  const adapters: PlannedAdapter[] = [];
  for (const [module, { a, b }] of halves) {
    const { rank, scale } = sizeOf(module, config);
    const [outputSize = 0, inputSize = 0] = store.get(`${module}.weight`).shape;
    if (a === undefined || b === undefined) problems.push(`module "${module}" has no ${a === undefined ? LORA_A : LORA_B}`);
    else {
      problems.push(...shapeProblem(file, a, [rank, inputSize]), ...shapeProblem(file, b, [outputSize, rank]));
      adapters.push({ module, a, b, scale });
    }
  }
  for (const [name, key] of whole) problems.push(...shapeProblem(file, key, store.get(name).shape));
  if (adapters.length === 0 && problems.length === 0) problems.push("Got no lora_A and lora_B tensors, expected at least one pair");
  if (problems.length > 0) throw new UserError(problems.slice(0, 12).map((what): Problem => ({ kind: "CheckpointError", where: file.path, what, hint: "The adapter was made for another model." })));
  return { adapters, whole };
}

/** Live state dicts write `lora_A.default.weight`, saved ones `lora_A.weight`. */
function splitKey(key: string): { path: string; half: "a" | "b" | undefined } {
  const path = key.startsWith(PREFIX) ? key.slice(PREFIX.length) : key;
  const match = /^(.+)\.lora_([AB])(?:\.default)?\.weight$/.exec(path);
  if (match?.[1] === undefined) return { path, half: undefined };
  return { path: match[1], half: match[2] === "A" ? "a" : "b" };
}

/** Rank and scale of a module; patterns name it whole or by its last parts. */
function sizeOf(module: string, config: AdapterConfig): { rank: number; scale: number } {
  const lookUp = (pattern: Readonly<Record<string, number>> | null | undefined): number | undefined =>
    Object.entries(pattern ?? {}).find(([key]) => `.${module}`.endsWith(`.${key}`))?.[1];
  const rank = lookUp(config.rank_pattern) ?? config.r;
  const alpha = lookUp(config.alpha_pattern) ?? config.lora_alpha;
  return { rank, scale: alpha / (config.use_rslora ? Math.sqrt(rank) : rank) };
}

function shapeProblem(file: SafetensorsFile, key: string, expected: readonly number[]): string[] {
  const { shape } = file.info(key);
  return shape.join() === expected.join() ? [] : [`tensor "${key}": Got shape [${shape.join(", ")}], expected [${expected.join(", ")}]`];
}

function nearest(name: string, known: readonly string[]): string {
  const [first] = nearestNames(name, known);
  return first === undefined ? "" : `; nearest: "${first}"`;
}

async function readTensor(file: SafetensorsFile, key: string) {
  return tensor(await file.readFloats(key), [...file.info(key).shape], "float32");
}

/** The first adapter gives r and lora_alpha; others that differ are listed in the patterns. */
async function describeAdapter(store: ParamStore, modules: readonly string[], { baseModel, alsoTrained }: { baseModel: string; alsoTrained: readonly string[] }) {
  const sizes = await Promise.all(
    modules.map(async (module) => {
      const [rank] = store.get(`${module}.${LORA_A}`).shape;
      const [scale = 0] = await readFloats(store.get(`${module}.${LORA_SCALE}`));
      return { module, rank, alpha: Number((scale * rank).toPrecision(6)) };
    }),
  );
  const [first = { rank: 0, alpha: 0 }] = sizes;
  return {
    peft_type: "LORA",
    task_type: null,
    base_model_name_or_path: baseModel,
    r: first.rank,
    lora_alpha: first.alpha,
    lora_dropout: 0,
    target_modules: targetModules(linearModules(store.shapes()), modules),
    modules_to_save: alsoTrained.length === 0 ? null : [...new Set(alsoTrained.map((name) => name.replace(/\.(weight|bias)$/, "")))],
    rank_pattern: Object.fromEntries(sizes.filter(({ rank }) => rank !== first.rank).map(({ module, rank }) => [module, rank])),
    alpha_pattern: Object.fromEntries(sizes.filter(({ alpha }) => alpha !== first.alpha).map(({ module, alpha }) => [module, alpha])),
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true,
    use_rslora: false,
    use_dora: false,
    inference_mode: true,
  };
}

/** Last name parts where they single out exactly the adapted modules, else whole names. */
function targetModules(all: readonly string[], adapted: readonly string[]): string[] {
  const lastPart = (module: string): string => module.slice(module.lastIndexOf(".") + 1);
  const endings = new Set(adapted.map(lastPart));
  const selected = all.filter((module) => endings.has(lastPart(module)));
  return selected.length === adapted.length ? [...endings].sort() : [...adapted];
}

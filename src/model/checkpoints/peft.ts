/** @file Reading LoRA adapters in PEFT's format: adapter_config.json and adapter_model.safetensors. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { tensor } from "@tensorflow/tfjs-core";
import { UserError } from "../../core/errors.ts";
import { describeSystemError } from "../../core/files.ts";
import { nearestNames } from "../../core/suggest.ts";
import { LORA_A, LORA_B } from "../linear.ts";
import { adapterScale, adapterShapes, type AdapterSize, linearModules, setAdapter } from "../lora.ts";
import { patternValue } from "../name-pattern.ts";
import type { ParamStore, Shapes } from "../params.ts";
import { KEY_LAYOUTS } from "./key-layouts.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, type AdapterConfig, adapterConfigSchema, BASE_HASH, KEY_PREFIX } from "./peft-format.ts";
import { openSafetensors, type SafetensorsFile } from "./safetensors.ts";

export interface ReadAdapter {
  /** The adapted modules. */
  readonly modules: readonly string[];
  /** Parameters that were saved whole. */
  readonly whole: readonly string[];
  /** What the adapter says it was made for, as its maker called it. */
  readonly baseModel: string | undefined;
}

/**
 * Puts a PEFT adapter, and the modules saved whole beside it, on the model in `store`. Adapters made on the whole model,
 * on its language model alone and on transformers' native class are all understood.
 *
 * @param base - hash of the model in `store`; an adapter that names another is refused.
 * @throws UserError - CheckpointError when the adapter was made for another base, with what does not fit, before anything is changed.
 */
export async function readAdapter(folder: string, store: ParamStore, base?: string): Promise<ReadAdapter> {
  return withAdapterFile(folder, store.shapes(), base, async ({ adapters, whole }, { file, config }) => {
    for (const { module, a, b, scale } of adapters) setAdapter(store, module, { a: await readTensor(file, a), b: await readTensor(file, b), scale });
    for (const [name, key] of whole) store.set(name, await readTensor(file, key));
    return { modules: adapters.map(({ module }) => module), whole: [...whole.keys()], baseModel: config.base_model_name_or_path ?? undefined };
  });
}

/** The shapes that `readAdapter` would add to these; only headers are read. Throws what it would throw. */
export async function readAdapterShapes(folder: string, shapes: Shapes): Promise<Shapes> {
  return withAdapterFile(folder, shapes, undefined, ({ adapters }) => Promise.resolve(new Map(adapters.flatMap(adapterShapes))));
}

async function withAdapterFile<T>(folder: string, shapes: Shapes, base: string | undefined, use: (plan: Plan, opened: { readonly file: SafetensorsFile; readonly config: AdapterConfig }) => Promise<T>): Promise<T> {
  const config = await readAdapterConfig(join(folder, ADAPTER_CONFIG));
  const file = await openSafetensors(join(folder, ADAPTER_WEIGHTS));
  try {
    refuseOtherBase(file, base);
    return await use(planAdapter(file, { config, shapes, folder }), { file, config });
  } finally {
    await file.close();
  }
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

function refuseOtherBase({ metadata, path }: SafetensorsFile, base: string | undefined): void {
  const made = metadata[BASE_HASH];
  if (base === undefined || made === undefined || made === base) return;
  throw new UserError({ kind: "CheckpointError", where: path, what: `the adapter was made for another base model: Got ${made.slice(0, 12)}, expected ${base.slice(0, 12)}`, hint: "Use the model folder that it was trained on." });
}

interface PlannedAdapter extends AdapterSize {
  /** Keys in the file. */
  readonly a: string;
  readonly b: string;
  readonly scale: number;
}

interface Plan {
  readonly adapters: readonly PlannedAdapter[];
  /** Parameter -> key in the file. */
  readonly whole: ReadonlyMap<string, string>;
}

/** Problems that are named; the others are counted. */
const MOST_LISTED = 4;

/** Which key goes where; every key must have a place with the right shape. */
function planAdapter(file: SafetensorsFile, { config, shapes, folder }: { readonly config: AdapterConfig; readonly shapes: Shapes; readonly folder: string }): Plan {
  const problems: string[] = [];
  const halves = new Map<string, { a?: string; b?: string }>();
  const whole = new Map<string, string>();
  const modules = linearModules(shapes);
  const [moduleOf, parameterOf] = [aliases(modules.map((module) => `${module}.weight`)), aliases([...shapes.keys()])];
  for (const key of file.names) {
    const { path, half } = splitKey(key);
    const known = half === undefined ? parameterOf.get(path) : moduleOf.get(`${path}.weight`)?.slice(0, -".weight".length);
    if (known === undefined) problems.push(`tensor "${key}" belongs to no ${half === undefined ? "parameter" : "linear module"} of this model${nearest(path, half === undefined ? [...shapes.keys()] : modules)}`);
    else if (half === undefined) whole.set(known, key);
    else halves.set(known, { ...halves.get(known), [half]: key });
  }
  const adapters: PlannedAdapter[] = [];
  for (const [module, { a, b }] of halves) {
    const { rank, scale } = sizeOf(module, config, join(folder, ADAPTER_CONFIG));
    const [outputSize = 0, inputSize = 0] = shapes.get(`${module}.weight`) ?? [];
    if (a === undefined || b === undefined) problems.push(`module "${module}" has no ${a === undefined ? LORA_A : LORA_B}`);
    else {
      problems.push(...shapeProblem(file, a, [rank, inputSize]), ...shapeProblem(file, b, [outputSize, rank]));
      adapters.push({ module, rank, inputSize, outputSize, a, b, scale });
    }
  }
  for (const [name, key] of whole) problems.push(...shapeProblem(file, key, shapes.get(name) ?? []));
  refuse(file, problems);
  if (adapters.length === 0) throw new UserError({ kind: "CheckpointError", where: file.path, what: "Got no lora_A and lora_B tensors, expected at least one pair" });
  return { adapters, whole };
}

function refuse(file: SafetensorsFile, problems: readonly string[]): void {
  if (problems.length === 0) return;
  const more = problems.length - MOST_LISTED;
  const listed = [...problems.slice(0, MOST_LISTED), ...(more > 0 ? [`and ${more} more`] : [])];
  throw new UserError({
    kind: "CheckpointError",
    where: file.path,
    what: `the adapter was made for another base model. Of ${file.names.length} tensors, these do not fit: ${listed.join("; ")}`,
    hint: "Use the model folder that it was trained on.",
  });
}

/** Name in any layout -> parameter of ours. What a layout cuts in several has no name there. */
function aliases(parameters: readonly string[]): ReadonlyMap<string, string> {
  const LANGUAGE = "language_model.";
  const known = new Map<string, string>();
  for (const name of parameters) if (name.startsWith(LANGUAGE)) known.set(name.slice(LANGUAGE.length), name);
  for (const { keysOf } of KEY_LAYOUTS.toReversed()) {
    for (const name of parameters) {
      const [key, ...others] = keysOf(name);
      if (key !== undefined && others.length === 0) known.set(key, name);
    }
  }
  return known;
}

/** Live state dicts write `lora_A.default.weight`, saved ones `lora_A.weight`. */
function splitKey(key: string): { path: string; half: "a" | "b" | undefined } {
  const path = key.startsWith(KEY_PREFIX) ? key.slice(KEY_PREFIX.length) : key;
  const match = /^(.+)\.lora_([AB])(?:\.default)?\.weight$/.exec(path);
  if (match?.[1] === undefined) return { path: path.replace(".modules_to_save.default.", "."), half: undefined };
  return { path: match[1], half: match[2] === "A" ? "a" : "b" };
}

/** Rank and scale of a module; patterns may know it by its name in any layout. */
function sizeOf(module: string, config: AdapterConfig, where: string): { rank: number; scale: number } {
  const names = [...new Set(KEY_LAYOUTS.flatMap(({ keysOf }) => keysOf(`${module}.weight`)))].map((key) => key.slice(0, -".weight".length));
  const lookUp = (pattern: AdapterConfig["rank_pattern"]): number | undefined => names.map((name) => patternValue(pattern, name, where)).find((value) => value !== undefined);
  const rank = lookUp(config.rank_pattern) ?? config.r;
  return { rank, scale: adapterScale({ rank, alpha: lookUp(config.alpha_pattern) ?? config.lora_alpha, rslora: config.use_rslora }) };
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

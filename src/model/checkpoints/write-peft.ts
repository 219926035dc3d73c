/** @file Writing the adapters of a model in PEFT's format. */
import { join } from "node:path";
import { UserError } from "../../core/errors.ts";
import { toJson, writeFileAtomic } from "../../core/files.ts";
import { LORA_A, LORA_B, LORA_SCALE } from "../linear.ts";
import { adaptedModules, isLora, linearModules } from "../lora.ts";
import { type ParamStore, sizeOfShape } from "../params.ts";
import { type KeyLayout, original } from "./key-layouts.ts";
import { ADAPTER_CONFIG, ADAPTER_WEIGHTS, BASE_HASH, KEY_PREFIX } from "./peft-format.ts";
import { writeSafetensors, type TensorToWrite } from "./write-safetensors.ts";

export interface AdapterToWrite {
  /** Recorded as base_model_name_or_path. */
  readonly baseModel: string;
  /** Hash of the base model, by which `readAdapter` knows it again. */
  readonly base?: string;
  /** Other parameters that differ from the base: modules_to_save. */
  readonly alsoTrained: readonly string[];
  /** Recorded for whoever trains on. */
  readonly dropout?: number;
  /** Whether scales are those of rank-stabilised adapters; they say the same either way. */
  readonly rslora?: boolean;
  /** Names that the base model's class gives its modules; default: InternVL's own. */
  readonly layout?: KeyLayout;
}

/**
 * Writes the adapters of `store`, and the named other parameters, so that PEFT can load them.
 *
 * @throws UserError - CheckpointError when an adapted module was also trained whole, which PEFT cannot express.
 */
export async function writeAdapter(folder: string, store: ParamStore, options: AdapterToWrite): Promise<void> {
  const { alsoTrained, layout = original, base } = options;
  refuseBoth(folder, store, alsoTrained);
  const tensors = [...adaptedModules(store).flatMap((module) => halves(store, module, layout)), ...alsoTrained.flatMap((name) => rowParts(store, name, layout.keysOf(name)))];
  await writeSafetensors(join(folder, ADAPTER_WEIGHTS), tensors.map((each) => ({ ...each, name: KEY_PREFIX + each.name })), { format: "pt", ...(base === undefined ? {} : { [BASE_HASH]: base }) });
  await writeFileAtomic(join(folder, ADAPTER_CONFIG), toJson(await describeAdapter(store, options)));
}

function refuseBoth(folder: string, store: ParamStore, alsoTrained: readonly string[]): void {
  const both = adaptedModules(store).filter((module) => alsoTrained.includes(`${module}.weight`));
  if (both.length === 0) return;
  throw new UserError({
    kind: "CheckpointError",
    where: folder,
    what: `${both.length} modules have an adapter and a weight that differs from the base model's, first "${both[0]}": PEFT has no form for both`,
    hint: "Export with --format merged.",
  });
}

/** Where a layout cuts a module in several, all of them share A, and B is cut as the weight is. */
function halves(store: ParamStore, module: string, layout: KeyLayout): TensorToWrite[] {
  const names = moduleNames(module, layout);
  const a = names.flatMap((name) => rowParts(store, `${module}.${LORA_A}`, [`${name}.${LORA_A}`]));
  return [...a, ...rowParts(store, `${module}.${LORA_B}`, names.map((name) => `${name}.${LORA_B}`))];
}

/** A parameter under the given names, of which each takes an equal share of the rows. */
export function rowParts(store: ParamStore, parameter: string, keys: readonly string[]): TensorToWrite[] {
  const shape = store.shapeOf(parameter);
  const [rows = 0, ...rest] = shape;
  const part = sizeOfShape(shape) / keys.length;
  return keys.map((name, i) => ({
    name,
    shape: keys.length === 1 ? shape : [rows / keys.length, ...rest],
    data: async () => (await store.read(parameter)).subarray(i * part, (i + 1) * part),
  }));
}

/** What a layout calls a linear module. */
function moduleNames(module: string, { keysOf }: KeyLayout): string[] {
  return keysOf(`${module}.weight`).map((key) => key.slice(0, -".weight".length));
}

/** The first adapter gives r and lora_alpha; others that differ are listed in the patterns. */
async function describeAdapter(store: ParamStore, { baseModel, alsoTrained, dropout = 0, rslora = false, layout = original }: AdapterToWrite) {
  const adapted = adaptedModules(store);
  const sizes: { module: string; rank: number; alpha: number }[] = [];
  for (const module of adapted) {
    const [rank = 0] = store.get(`${module}.${LORA_A}`).shape;
    const [scale = 0] = await store.read(`${module}.${LORA_SCALE}`);
    const alpha = Number((scale * (rslora ? Math.sqrt(rank) : rank)).toPrecision(6));
    sizes.push(...moduleNames(module, layout).map((name) => ({ module: name, rank, alpha })));
  }
  const [first = { rank: 0, alpha: 0 }] = sizes;
  const plain = store.names().filter((name) => !isLora(name));
  return {
    peft_type: "LORA",
    task_type: null,
    base_model_name_or_path: baseModel,
    r: first.rank,
    lora_alpha: first.alpha,
    lora_dropout: dropout,
    target_modules: targetModules(linearModules(store.shapes()).flatMap((module) => moduleNames(module, layout)), sizes.map(({ module }) => module)),
    modules_to_save: alsoTrained.length === 0 ? null : savedModules(plain.flatMap((name) => layout.keysOf(name)), alsoTrained.flatMap((name) => layout.keysOf(name))),
    rank_pattern: Object.fromEntries(sizes.filter(({ rank }) => rank !== first.rank).map(({ module, rank }) => [module, rank])),
    alpha_pattern: Object.fromEntries(sizes.filter(({ alpha }) => alpha !== first.alpha).map(({ module, alpha }) => [module, alpha])),
    bias: "none",
    fan_in_fan_out: false,
    init_lora_weights: true,
    use_rslora: rslora,
    use_dora: false,
    inference_mode: true,
  };
}

/** Last name parts where they single out exactly adapted modules, else whole names. A number would also name layers. */
function targetModules(all: readonly string[], adapted: readonly string[]): string[] {
  const lastPart = (module: string): string => module.slice(module.lastIndexOf(".") + 1);
  const isAdapted = new Set(adapted);
  const isSafe = (ending: string): boolean => !/^\d+$/.test(ending) && all.every((module) => lastPart(module) !== ending || isAdapted.has(module));
  const names = adapted.map((module) => (isSafe(lastPart(module)) ? lastPart(module) : module));
  return [...new Set(names)].sort();
}

/** The largest modules whose every parameter is saved. */
function savedModules(all: readonly string[], saved: readonly string[]): string[] {
  const isSaved = new Set(saved);
  const inside = new Map<string, boolean>();
  for (const name of all) for (const prefix of prefixes(name)) inside.set(prefix, (inside.get(prefix) ?? true) && isSaved.has(name));
  const modules = saved.map((name) => prefixes(name).find((prefix) => inside.get(prefix) === true) ?? name);
  return [...new Set(modules)];
}

/** `a.b` of `a.b.weight`, after `a`. */
function prefixes(name: string): string[] {
  const parts = name.split(".");
  return parts.slice(0, -1).map((_, i) => parts.slice(0, i + 1).join("."));
}

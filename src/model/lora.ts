/**
 * @file LoRA adapters as three more entries of the ParamStore beside a linear layer's weight. `linear` applies them;
 * here they are added and merged. Legend: R rank; weight [out, in], A [R, in], B [out, R].
 * @see Hu et al. 2021; starting values as in PEFT.
 */
import { add, matMul, mul, scalar, tensor2d, tidy, zeros, type Tensor, type Tensor2D } from "@tensorflow/tfjs-core";
import { UserError } from "../core/errors.ts";
import { rng } from "../core/rng.ts";
import { LORA_A, LORA_B, LORA_SCALE } from "./linear.ts";
import { compilePattern, matchesEnd, patternHint, patternValue } from "./name-pattern.ts";
import type { ParamStore, Shapes } from "./params.ts";

export interface LoraOptions {
  readonly rank: number;
  readonly alpha: number;
  /** Regular expression over whole module names, or module name endings. */
  readonly targets: string | readonly string[];
  /** Ranks and alphas of modules that differ, by `patternValue`. */
  readonly rankPattern?: Readonly<Record<string, number>>;
  readonly alphaPattern?: Readonly<Record<string, number>>;
  /** Scale alpha / sqrt(rank) instead of alpha / rank. */
  readonly rslora?: boolean;
}

/** Lookup tables are indexed, not multiplied: `linear` never sees them. */
const LOOKUP = /(embed_tokens|tok_embeddings|embed_positions)$/;

/**
 * Adds an adapter to every linear module that `targets` names; the model's output does not change, since B starts at zero.
 *
 * @param where - config path for messages, e.g. `stages.reasoning.lora`.
 * @returns the adapted modules, in store order.
 * @throws UserError - ConfigError when a target matches no module, or a module has an adapter already.
 */
export function addLora(store: ParamStore, options: LoraOptions, seed: number, where = "lora"): string[] {
  const planned = plannedAdapters(store.shapes(), options, where);
  for (const { module, rank, scale, inputSize, outputSize } of planned) {
    setAdapter(store, module, { a: kaimingUniform(module, rank, inputSize, seed), b: zeros([outputSize, rank]), scale });
  }
  return planned.map(({ module }) => module);
}

/** The shapes that `addLora` would add to these, and with what complaints. */
export function loraShapes(shapes: Shapes, options: LoraOptions, where = "lora"): Shapes {
  return new Map(plannedAdapters(shapes, options, where).flatMap(adapterShapes));
}

/** Names and shapes of an adapter's three entries. */
export function adapterShapes({ module, rank, inputSize, outputSize }: AdapterSize): [string, number[]][] {
  return [
    [`${module}.${LORA_A}`, [rank, inputSize]],
    [`${module}.${LORA_B}`, [outputSize, rank]],
    [`${module}.${LORA_SCALE}`, []],
  ];
}

/** alpha / rank, or alpha / sqrt(rank). */
export function adapterScale({ rank, alpha, rslora }: { readonly rank: number; readonly alpha: number; readonly rslora: boolean }): number {
  return alpha / (rslora ? Math.sqrt(rank) : rank);
}

export interface AdapterSize {
  readonly module: string;
  readonly rank: number;
  readonly inputSize: number;
  readonly outputSize: number;
}

function plannedAdapters(shapes: Shapes, options: LoraOptions, where: string): (AdapterSize & { readonly scale: number })[] {
  const { rankPattern = {}, alphaPattern = {}, rslora = false } = options;
  const modules = matchingModules(linearModules(shapes), options.targets, `${where}.targets`);
  refuseIdlePatterns(modules, { [`${where}.rankPattern`]: rankPattern, [`${where}.alphaPattern`]: alphaPattern });
  refuseAdapted(shapes, where, modules);
  return modules.map((module) => {
    const [outputSize = 0, inputSize = 0] = shapes.get(`${module}.weight`) ?? [];
    const rank = patternValue(rankPattern, module, `${where}.rankPattern`) ?? options.rank;
    const alpha = patternValue(alphaPattern, module, `${where}.alphaPattern`) ?? options.alpha;
    return { module, rank, scale: adapterScale({ rank, alpha, rslora }), inputSize, outputSize };
  });
}

function refuseIdlePatterns(modules: readonly string[], patterns: Readonly<Record<string, Readonly<Record<string, number>>>>): void {
  const idle = Object.entries(patterns).flatMap(([where, own]) => Object.keys(own).filter((pattern) => !modules.some((module) => matchesEnd(pattern, module, where))).map((pattern) => ({ where, pattern })));
  if (idle.length === 0) return;
  throw new UserError(idle.map(({ where, pattern }) => ({ kind: "ConfigError", where, what: `"${pattern}" matches none of ${modules.length} adapted modules`, hint: patternHint(pattern, modules) })));
}

/** @throws UserError - ConfigError when any of the modules has an adapter. */
export function refuseAdapted(shapes: Shapes, where: string, modules: readonly string[] = linearModules(shapes)): void {
  const adapted = modules.filter((module) => shapes.has(`${module}.${LORA_A}`));
  if (adapted.length === 0) return;
  const hint = "Leave lora out of this stage: it goes on with the adapters of the stage before.";
  throw new UserError({ kind: "ConfigError", where, what: `${adapted.length} of ${modules.length} modules have an adapter already, first "${adapted[0]}"`, hint });
}

/** Stores the three entries of one adapter; takes ownership of `a` and `b`. */
export function setAdapter(store: ParamStore, module: string, { a, b, scale }: { a: Tensor; b: Tensor; scale: number }): void {
  store.set(`${module}.${LORA_A}`, a);
  store.set(`${module}.${LORA_B}`, b);
  store.set(`${module}.${LORA_SCALE}`, scalar(scale));
}

/** Folds every adapter into its weight, W += scale * B A, and removes it. Returns the merged modules. */
export function mergeLora(store: ParamStore): string[] {
  const modules = adaptedModules(store);
  for (const module of modules) {
    const merged = tidy(() => {
      const update_OI = matMul(store.get(`${module}.${LORA_B}`), store.get(`${module}.${LORA_A}`));
      return add(store.get(`${module}.weight`), mul(update_OI, store.get(`${module}.${LORA_SCALE}`)));
    });
    store.set(`${module}.weight`, merged);
    for (const part of [LORA_A, LORA_B, LORA_SCALE]) store.delete(`${module}.${part}`);
  }
  return modules;
}

/** Modules with an adapter, in store order. */
export function adaptedModules(store: ParamStore): string[] {
  const ending = `.${LORA_A}`;
  return store
    .names()
    .filter((name) => name.endsWith(ending))
    .map((name) => name.slice(0, -ending.length));
}

/** Whether a parameter belongs to an adapter, its scale included. */
export function isLora(name: string): boolean {
  return [LORA_A, LORA_B, LORA_SCALE].some((part) => name.endsWith(`.${part}`));
}

/** Modules whose weight is a matrix that `linear` multiplies with. */
export function linearModules(shapes: Shapes): string[] {
  return [...shapes]
    .filter(([name, shape]) => name.endsWith(".weight") && !isLora(name) && shape.length === 2)
    .map(([name]) => name.slice(0, -".weight".length))
    .filter((module) => !LOOKUP.test(module));
}

function matchingModules(modules: readonly string[], targets: string | readonly string[], where: string): string[] {
  const tests = typeof targets === "string" ? [wholeName(targets, where)] : targets.map((ending) => endsWith(ending));
  const texts = typeof targets === "string" ? [targets] : targets;
  const idle = texts.filter((_, i) => !modules.some((module) => tests[i]?.(module)));
  const matched = modules.filter((module) => tests.some((matches) => matches(module)));
  if (idle.length === 0) return matched;
  throw new UserError(
    idle.map((text) => ({
      kind: "ConfigError",
      where,
      what: `"${text}" matches none of ${modules.length} linear modules (the whole list matches ${matched.length})`,
      hint: patternHint(text, modules),
    })),
  );
}

function wholeName(pattern: string, where: string): (module: string) => boolean {
  compilePattern(pattern, where);
  const whole = new RegExp(`^(?:${pattern})$`);
  return (module) => whole.test(module);
}

function endsWith(ending: string): (module: string) => boolean {
  return (module) => module === ending || module.endsWith(`.${ending}`);
}

/** torch's kaiming_uniform_ with a = sqrt(5): uniform within 1 / sqrt(fan-in). */
function kaimingUniform(module: string, rank: number, inputSize: number, seed: number): Tensor2D {
  const draw = rng(seed, "init", `${module}.${LORA_A}`);
  const bound = 1 / Math.sqrt(inputSize);
  const values = Float32Array.from({ length: rank * inputSize }, () => (2 * draw.uniform() - 1) * bound);
  return tensor2d(values, [rank, inputSize], "float32");
}

/** @file A model folder as Hugging Face lays it out: config.json and safetensors, one file or shards. */
import { join } from "node:path";
import { tensor } from "@tensorflow/tfjs-core";
import { UserError, type Problem } from "../../core/errors.ts";
import { toJson, writeFileAtomic } from "../../core/files.ts";
import { sha256, sha256File } from "../../core/hash.ts";
import { nearestNames } from "../../core/suggest.ts";
import type { ModelConfig } from "../config.ts";
import { decoderLayout } from "../decoder-layout.ts";
import type { ParamStore } from "../params.ts";
import type { Shape } from "../named-shapes.ts";
import { expectedParameters } from "./expected-parameters.ts";
import { keyLayoutOf } from "./key-layouts.ts";
import { readModelConfig } from "./model-config-file.ts";
import { isFloating, type TensorEntry } from "./safetensors-header.ts";
import { openWeightFiles, weightFilePaths, type WeightFiles } from "./weight-files.ts";
import { writeSafetensors, type TensorToWrite } from "./write-safetensors.ts";

export interface ModelFolder {
  readonly folder: string;
  readonly config: ModelConfig;
  /** Safetensors files; none in a folder that only describes a model to be started at random. */
  readonly weightFiles: readonly string[];
}

/** Constants that some exporters store among the weights; they follow from the config. */
const DERIVED = ".rotary_emb.inv_freq";
const MOST_LISTED = 12;

/**
 * The folder's config and where its weights are; no weight is read.
 *
 * @throws UserError - CheckpointError on a config.json that is absent, malformed or contradictory.
 */
export async function readModelFolder(folder: string): Promise<ModelFolder> {
  const config = await readModelConfig(folder);
  expectedParameters(config);
  return { folder, config, weightFiles: await weightFilePaths(folder) };
}

/**
 * Puts every weight of the folder into `store` as float32, under InternVL's own names whichever layout the files have. A
 * file may lack the output head: the decoder then uses the embeddings.
 *
 * @throws UserError - CheckpointError listing missing, superfluous and wrongly shaped tensors, before anything is loaded.
 */
export async function loadWeights({ folder, config }: Pick<ModelFolder, "folder" | "config">, store: ParamStore): Promise<void> {
  const files = await openWeightFiles(folder);
  try {
    for (const { name, shape, keys } of planWeights(files, config, folder)) store.set(name, tensor(await readRows(files, keys), [...shape], "float32"));
  } finally {
    await files.close();
  }
}

/** The shapes that `loadWeights` would put into a store; only the files' headers are read. Throws what it would throw. */
export async function weightShapes({ folder, config }: Pick<ModelFolder, "folder" | "config">): Promise<ReadonlyMap<string, Shape>> {
  const files = await openWeightFiles(folder);
  try {
    return new Map(planWeights(files, config, folder).map(({ name, shape }) => [name, shape]));
  } finally {
    await files.close();
  }
}

interface PlannedWeight {
  readonly name: string;
  readonly shape: Shape;
  /** Tensors of the files whose rows, one below the other, are the weight. */
  readonly keys: readonly string[];
}

/** Which tensors make which parameter; every tensor must have a place, and the shape and type of it. */
function planWeights(files: WeightFiles, config: ModelConfig, folder: string): PlannedWeight[] {
  const { keysOf } = keyLayoutOf(files.tensors.keys());
  const head = `language_model.${decoderLayout(config.llm_config).head}.weight`;
  const weights = [...expectedParameters(config)].map(([name, shape]) => ({ name, shape, keys: keysOf(name) }));
  const kept = weights.filter(({ name, keys }) => name !== head || keys.some((key) => files.tensors.has(key)));
  checkAgainst(new Map(kept.flatMap(({ shape: [rows = 0, ...rest], shape, keys }) => keys.map((key) => [key, shape.length === 0 ? [] : [rows / keys.length, ...rest]] as const))), files, folder);
  return kept;
}

async function readRows(files: WeightFiles, keys: readonly string[]): Promise<Float32Array> {
  const parts = await Promise.all(keys.map((key) => fileOf(files, key).readFloats(key)));
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  const rows = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    rows.set(part, at);
    at += part.length;
  }
  return rows;
}

/** Writes config.json and model.safetensors; the config comes last, so that a folder with one is complete. */
export async function writeModelFolder(folder: string, config: ModelConfig, tensors: Iterable<TensorToWrite>): Promise<void> {
  await writeSafetensors(join(folder, "model.safetensors"), tensors, { format: "pt" });
  await writeFileAtomic(join(folder, "config.json"), toJson(config));
}

/**
 * Hash of what a model folder starts training from: config and weights, or config and seed of a random start.
 * Checkpoints record it and refuse to be put on another base.
 */
export async function baseHash({ config, weightFiles }: ModelFolder, start: "weights" | { readonly seed: number }): Promise<string> {
  const parts = start === "weights" ? await Promise.all(weightFiles.map(sha256File)) : [`seed ${start.seed}`];
  return sha256(JSON.stringify(config), ...parts);
}

function checkAgainst(expected: ReadonlyMap<string, Shape>, files: WeightFiles, folder: string): void {
  const superfluous = [...files.tensors.keys()].filter((name) => !expected.has(name) && !name.endsWith(DERIVED));
  const missing = [...expected.keys()].filter((name) => !files.tensors.has(name));
  const problems = [
    ...missing.map((name) => () => `missing tensor "${name}" [${expected.get(name)?.join(", ")}]${nearest(name, superfluous)}`),
    ...superfluous.map((name) => () => `superfluous tensor "${name}"${nearest(name, missing)}`),
    ...[...expected].filter(([name, shape]) => files.tensors.has(name) && !sameShape(infoOf(files, name).shape, shape)).map(
      ([name, shape]) =>
        () =>
          `tensor "${name}": Got shape [${infoOf(files, name).shape.join(", ")}], expected [${shape.join(", ")}] from config.json`,
    ),
    ...[...expected.keys()].filter((name) => files.tensors.has(name) && !isFloating(infoOf(files, name).dtype)).map(
      (name) => () => `tensor "${name}": Got ${infoOf(files, name).dtype} numbers, expected floating-point ones (F64, F32, F16 or BF16)`,
    ),
  ];
  if (problems.length === 0) return;
  const listed = problems.slice(0, MOST_LISTED).map((render): Problem => ({ kind: "CheckpointError", where: folder, what: render() }));
  const more = problems.length - listed.length;
  throw new UserError(more > 0 ? [...listed, { kind: "CheckpointError", where: folder, what: `${more} more tensors do not fit config.json` }] : listed);
}

function nearest(name: string, candidates: readonly string[]): string {
  const [first] = nearestNames(name, candidates);
  return first === undefined ? "" : `; nearest: "${first}"`;
}

function infoOf(files: WeightFiles, name: string): TensorEntry {
  return fileOf(files, name).info(name);
}

function fileOf(files: WeightFiles, name: string) {
  const file = files.tensors.get(name);
  if (file === undefined) throw new Error(`tensor "${name}" was not checked`);
  return file;
}

function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((side, i) => side === b[i]);
}

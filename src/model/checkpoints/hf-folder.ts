/** @file A model folder as Hugging Face lays it out: config.json and safetensors, one file or shards; beside it, where wanted, a Whisper folder for the audio tower. */
import { join } from "node:path";
import { UserError, type Problem } from "../../core/errors.ts";
import { toJson, writeFileAtomic } from "../../core/files.ts";
import { sha256, sha256File } from "../../core/hash.ts";
import { nearestNames } from "../../core/suggest.ts";
import type { ModelConfig } from "../config.ts";
import { decoderLayout } from "../decoder-layout.ts";
import { PARTS } from "../emoverse.ts";
import type { ParamStore } from "../params.ts";
import type { Shape } from "../named-shapes.ts";
import { expectedParameters } from "./expected-parameters.ts";
import { keyLayoutOf } from "./key-layouts.ts";
import { readModelConfig } from "./model-config-file.ts";
import { isFloating, type TensorEntry } from "./safetensors-header.ts";
import { openWeightFiles, weightFilePaths, type WeightFiles } from "./weight-files.ts";
import { readWhisperConfig, whisperLayout } from "./whisper-folder.ts";
import { writeSafetensors, type TensorToWrite } from "./write-safetensors.ts";

export interface ModelFolder {
  readonly folder: string;
  /** Whisper folder whose encoder is the audio tower; absent: the model has the tower of its own folder, or none. */
  readonly audioFolder?: string | undefined;
  /** With the tower's `audio_config`, wherever it comes from. */
  readonly config: ModelConfig;
  /** Safetensors files of both; none in a folder that only describes a model to be started at random. */
  readonly weightFiles: readonly string[];
}

/** Constants that some exporters store among the weights; they follow from the config. */
const DERIVED = ".rotary_emb.inv_freq";
const MOST_LISTED = 12;

/**
 * The folder's config and where its weights are; no weight is read.
 *
 * @throws UserError - CheckpointError on a config.json that is absent, malformed or contradictory; ConfigError on two audio towers.
 */
export async function readModelFolder(folder: string, { audioFolder }: { readonly audioFolder?: string | undefined } = {}): Promise<ModelFolder> {
  const own = await readModelConfig(folder);
  expectedParameters(own);
  if (audioFolder === undefined) return { folder, config: own, weightFiles: await weightFilePaths(folder) };
  if (own.audio_config !== undefined) throw new UserError({ kind: "ConfigError", where: "model.audioFolder", what: `got ${audioFolder}, but ${folder} has an audio tower of its own`, hint: "Leave model.audioFolder out." });
  const config = { ...own, audio_config: await readWhisperConfig(audioFolder) };
  return { folder, audioFolder, config, weightFiles: [...(await weightFilePaths(folder)), ...(await weightFilePaths(audioFolder))] };
}

/** What `readModelFolder` says of the weights. */
type Described = Pick<ModelFolder, "folder" | "audioFolder" | "config">;

/**
 * Puts every weight of the files into `store`, one after another, under InternVL's own names whichever layout the files have. A
 * file may lack the output head: the decoder then uses the embeddings. The projector of another folder's audio tower is in
 * no file: see `isDrawn`.
 *
 * @param isWanted - which parameters are loaded; all are checked.
 * @throws UserError - CheckpointError listing missing, superfluous and wrongly shaped tensors, before anything is loaded.
 */
export async function loadWeights(model: Described, store: ParamStore, isWanted: (name: string) => boolean = () => true): Promise<void> {
  await withPlans(model, async (plans) => {
    for (const { files, weights } of plans) for (const { name, shape, keys } of weights) if (isWanted(name)) store.load(name, await readRows(files, keys), shape);
  });
}

/** The shapes of all parameters that the model starts with; only the files' headers are read. Throws what `loadWeights` would throw. */
export async function weightShapes(model: Described): Promise<ReadonlyMap<string, Shape>> {
  const inFiles = await withPlans(model, (plans) => Promise.resolve(plans.flatMap(({ weights }) => weights)));
  return new Map([...inFiles.map(({ name, shape }) => [name, shape] as const), ...[...expectedParameters(model.config)].filter(([name]) => isDrawn(model, name))]);
}

/** Whether a parameter is in none of the files and starts at random: a Whisper folder knows nothing of the decoder, so there is no projector between them. */
export function isDrawn({ audioFolder }: Pick<ModelFolder, "audioFolder">, name: string): boolean {
  return audioFolder !== undefined && name.startsWith(`${PARTS.audioProjector}.`);
}

interface PlannedWeight {
  readonly name: string;
  readonly shape: Shape;
  /** Tensors of the files whose rows, one below the other, are the weight. */
  readonly keys: readonly string[];
}

interface FolderPlan {
  readonly files: WeightFiles;
  readonly weights: readonly PlannedWeight[];
}

/** The plans of the model's folders while their files are open; all of them are checked before `use` gets any. */
async function withPlans<T>(model: Described, use: (plans: readonly FolderPlan[]) => Promise<T>): Promise<T> {
  const { folder, audioFolder, config } = model;
  const all = [...expectedParameters(config)];
  const isWhisper = (name: string): boolean => audioFolder !== undefined && name.startsWith(`${PARTS.audio}.`);
  const opened: WeightFiles[] = [];
  const open = async (path: string): Promise<WeightFiles> => {
    const files = await openWeightFiles(path);
    opened.push(files);
    return files;
  };
  try {
    const files = await open(folder);
    const plans: FolderPlan[] = [{ files, weights: planModel(files, { folder, config, expected: all.filter(([name]) => !isWhisper(name) && !isDrawn(model, name)) }) }];
    if (audioFolder !== undefined) {
      const audioFiles = await open(audioFolder);
      plans.push({ files: audioFiles, weights: planWhisper(audioFiles, audioFolder, all.filter(([name]) => isWhisper(name))) });
    }
    return await use(plans);
  } finally {
    await Promise.all(opened.map((files) => files.close()));
  }
}

type Expected = readonly (readonly [name: string, shape: Shape])[];

/** Which tensors make which parameter; every tensor must have a place, and the shape and type of it. */
function planModel(files: WeightFiles, { folder, config, expected }: { readonly folder: string; readonly config: ModelConfig; readonly expected: Expected }): PlannedWeight[] {
  const { keysOf } = keyLayoutOf(files.tensors.keys());
  const head = `language_model.${decoderLayout(config.llm_config).head}.weight`;
  const weights = expected.map(([name, shape]) => ({ name, shape, keys: keysOf(name) }));
  const kept = weights.filter(({ name, keys }) => name !== head || keys.some((key) => files.tensors.has(key)));
  const shapes = kept.flatMap(({ shape: [rows = 0, ...rest], shape, keys }) => keys.map((key) => [key, shape.length === 0 ? [] : [rows / keys.length, ...rest]] as const));
  checkAgainst(new Map(shapes), files, { folder, names: [...files.tensors.keys()] });
  return kept;
}

/** The same of the encoder in a Whisper folder; its other tensors are none of ours. */
function planWhisper(files: WeightFiles, folder: string, expected: Expected): PlannedWeight[] {
  const { keysOf, isEncoder } = whisperLayout(files.tensors.keys());
  const weights = expected.map(([name, shape]) => ({ name, shape, keys: keysOf(name) }));
  checkAgainst(new Map(weights.flatMap(({ shape, keys }) => keys.map((key) => [key, shape] as const))), files, { folder, names: [...files.tensors.keys()].filter(isEncoder) });
  return weights;
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
 * Hash of what a model starts training from: config and weights, and the seed of what is drawn at random. Checkpoints record
 * it and refuse to be put on another base.
 */
export async function baseHash(model: ModelFolder, { init, seed }: { readonly init: "weights" | "random"; readonly seed: number }): Promise<string> {
  const files = init === "random" ? [] : await Promise.all(model.weightFiles.map(sha256File));
  const isDrawnFrom = init === "random" || model.audioFolder !== undefined;
  return sha256(JSON.stringify(model.config), ...files, ...(isDrawnFrom ? [`seed ${seed}`] : []));
}

/** `names`: the tensors of the files that must have a place. */
function checkAgainst(expected: ReadonlyMap<string, Shape>, files: WeightFiles, { folder, names }: { readonly folder: string; readonly names: readonly string[] }): void {
  const superfluous = names.filter((name) => !expected.has(name) && !name.endsWith(DERIVED));
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

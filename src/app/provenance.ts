/** @file What a run was made with, so that it can be repeated. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ActiveBackend } from "../backend/select.ts";
import { sha256, sha256File } from "../core/hash.ts";
import { SPLITS } from "../data/record.ts";
import { resolveMediaTools } from "../media/tools.ts";
import { tokenizerFiles } from "../text/tokenizer-files.ts";
import type { Experiment } from "./experiment.ts";

export interface Provenance extends Readonly<Record<string, unknown>> {
  /** Of files, by their paths; null for one that is not there. */
  readonly sha256: Readonly<Record<string, string | null>>;
}

/** Hash of what the samples of training are made from, the manifest and the tokenizer; files that are hashed already are not read again. */
export async function trainingSource({ dataset, model }: Pick<Experiment, "dataset" | "model">, { sha256: hashes }: Pick<Provenance, "sha256">): Promise<string> {
  const files = [join(dataset.root, "train.jsonl"), ...(await tokenizerFiles(model.folder))];
  return sha256(...(await Promise.all(files.map(async (file) => hashes[file] ?? sha256File(file)))));
}

/** Versions, backend, and hashes of the manifests and the model's description. */
export async function provenance({ dataset, model, config }: Experiment, backend: ActiveBackend): Promise<Provenance> {
  const own: unknown = JSON.parse(await readFile(join(import.meta.dirname, "../../package.json"), "utf8"));
  const { version, dependencies } = own as { version?: unknown; dependencies?: unknown };
  const files = [...SPLITS.map((split) => join(dataset.root, `${split}.jsonl`)), ...[model.folder, model.audioFolder].flatMap((folder) => (folder === undefined ? [] : [join(folder, "config.json")])), ...(await tokenizerFiles(model.folder))];
  const hashes = await Promise.all(files.map(async (file) => [file, await sha256File(file).catch(() => null)] as const));
  return { m2se: version, node: process.version, platform: `${process.platform}-${process.arch}`, dependencies, backend, media: await resolveMediaTools(), seed: config.seed, sha256: Object.fromEntries(hashes) };
}

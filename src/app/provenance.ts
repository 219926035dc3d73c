/** @file What a run was made with, so that it can be repeated. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ActiveBackend } from "../backend/select.ts";
import { sha256, sha256File } from "../core/hash.ts";
import { SPLITS } from "../data/record.ts";
import { resolveMediaTools } from "../media/tools.ts";
import { tokenizerFiles } from "../text/tokenizer-files.ts";
import type { Experiment } from "./experiment.ts";

/** Hash of what the samples of training are made from: the manifest and the tokenizer. */
export async function trainingSource({ dataset, model }: Pick<Experiment, "dataset" | "model">): Promise<string> {
  const files = [join(dataset.root, "train.jsonl"), ...(await tokenizerFiles(model.folder))];
  return sha256(...(await Promise.all(files.map(sha256File))));
}

/** Versions, backend, and hashes of the manifests and the model's description. */
export async function provenance({ dataset, model, config }: Experiment, backend: ActiveBackend): Promise<Readonly<Record<string, unknown>>> {
  const own: unknown = JSON.parse(await readFile(join(import.meta.dirname, "../../package.json"), "utf8"));
  const { version, dependencies } = own as { version?: unknown; dependencies?: unknown };
  const files = [...SPLITS.map((split) => join(dataset.root, `${split}.jsonl`)), ...[model.folder, model.audioFolder].flatMap((folder) => (folder === undefined ? [] : [join(folder, "config.json")])), ...(await tokenizerFiles(model.folder))];
  const hashes = await Promise.all(files.map(async (file) => [file, await sha256File(file).catch(() => null)] as const));
  return { m2se: version, node: process.version, platform: `${process.platform}-${process.arch}`, dependencies, backend, media: await resolveMediaTools(), seed: config.seed, sha256: Object.fromEntries(hashes) };
}

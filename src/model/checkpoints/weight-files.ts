/** @file The weights of a model folder as one table of names, whether they lie in one safetensors file or in shards. */
import { access, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { jsonOrUndefined } from "../../core/json.ts";
import { openSafetensors, type SafetensorsFile } from "./safetensors.ts";

export interface WeightFiles {
  /** Tensor name -> the open file that holds it. */
  readonly tensors: ReadonlyMap<string, SafetensorsFile>;
  close(): Promise<void>;
}

const INDEX = "model.safetensors.index.json";
const SINGLE = "model.safetensors";
const indexSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/**
 * Opens model.safetensors, or every shard that model.safetensors.index.json names.
 *
 * @throws UserError - CheckpointError when there are no weights, a shard is missing, or the index and the shards disagree.
 */
export async function openWeightFiles(folder: string): Promise<WeightFiles> {
  const { shards, index } = await locateWeights(folder);
  if (shards.length === 0) throw noWeights(folder);
  const files: SafetensorsFile[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(files.map((file) => file.close()));
  };
  try {
    for (const shard of shards) files.push(await openSafetensors(join(folder, shard)));
    const tensors = new Map<string, SafetensorsFile>();
    for (const file of files) for (const name of file.names) tensors.set(name, file);
    checkIndex(join(folder, INDEX), index, tensors);
    return { tensors, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Paths of the files that hold the weights, sorted; empty when the folder has none. */
export async function weightFilePaths(folder: string): Promise<string[]> {
  const { shards } = await locateWeights(folder);
  return shards.map((shard) => join(folder, shard));
}

interface WeightLocation {
  readonly shards: readonly string[];
  /** Tensor name -> shard; empty for a folder with a single file. */
  readonly index: ReadonlyMap<string, string>;
}

async function locateWeights(folder: string): Promise<WeightLocation> {
  if (await exists(join(folder, SINGLE))) return { shards: [SINGLE], index: new Map() };
  const path = join(folder, INDEX);
  if (!(await exists(path))) return { shards: [], index: new Map() };
  const parsed = indexSchema.safeParse(jsonOrUndefined(await readFile(path, "utf8")));
  if (!parsed.success) throw new UserError({ kind: "CheckpointError", where: path, what: "Got a file without a weight_map table, expected tensor names with their shard files" });
  const index = new Map(Object.entries(parsed.data.weight_map));
  const outside = [...index.values()].find((shard) => shard !== basename(shard) || shard.startsWith("."));
  if (outside !== undefined) throw new UserError({ kind: "CheckpointError", where: path, what: `Got shard "${outside}", expected the name of a file in the same folder` });
  return { shards: [...new Set(index.values())].sort(), index };
}

function checkIndex(where: string, index: ReadonlyMap<string, string>, tensors: ReadonlyMap<string, SafetensorsFile>): void {
  const misplaced = [...index].filter(([name, shard]) => basename(tensors.get(name)?.path ?? "") !== shard);
  if (misplaced.length === 0) return;
  throw new UserError(
    misplaced.slice(0, 10).map(([name, shard]) => ({
      kind: "CheckpointError",
      where,
      what: `tensor "${name}" is not in ${shard}, where the index says it is`,
      hint: "Download the index and the shards of one release again.",
    })),
  );
}

function noWeights(folder: string): UserError {
  return new UserError({
    kind: "CheckpointError",
    where: folder,
    what: `Got no weights, expected ${SINGLE} or ${INDEX}`,
    hint: "Download the folder again, whole; with model.init: random its config.json is enough.",
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

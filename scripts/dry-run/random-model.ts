/** @file A model folder as Hugging Face serves it, with random weights: shards of BF16 and their index, config.json, tokenizer. One tensor at a time is in memory. */
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder, toJson, writeFileAtomic } from "../../src/core/files.ts";
import { rng } from "../../src/core/rng.ts";
import { expectedParameters } from "../../src/model/checkpoints/expected-parameters.ts";
import { writeShards } from "../../src/model/checkpoints/sharded-folder.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { sizeOfShape } from "../../src/model/params.ts";

const TOKENIZER = join(import.meta.dirname, "../../data/tiny-emoverse");
const SHARD_BYTES = 1_000_000_000;
/** Draws are repeated after a prime number of them, so that no row of a matrix meets its own copy. */
const PERIOD = 1_048_573;

export interface RandomModel {
  readonly parameters: number;
  readonly shards: number;
}

/** Writes the folder; config.json comes last. The vocabulary is the committed small tokenizer's, without words for sound. */
export async function writeRandomModel(folder: string, config: ModelConfig): Promise<RandomModel> {
  await makeFolder(folder);
  const shapes = [...expectedParameters(config)];
  const draws = normalDraws();
  const shards = await writeShards(folder, shapes.map(([name, shape], i) => ({ name, shape, dtype: "BF16", bytes: () => Promise.resolve(randomBytes(name, shape, { draws, from: 7919 * i })) })), SHARD_BYTES);
  const tokenizer = JSON.parse(await readFile(join(TOKENIZER, "tokenizer.json"), "utf8")) as { added_tokens: readonly { content: string }[] };
  await writeFileAtomic(join(folder, "tokenizer.json"), toJson({ ...tokenizer, added_tokens: tokenizer.added_tokens.filter(({ content }) => !/audio/i.test(content)) }));
  await copyFile(join(TOKENIZER, "tokenizer_config.json"), join(folder, "tokenizer_config.json"));
  await writeFileAtomic(join(folder, "config.json"), toJson(config));
  return { parameters: shapes.reduce((sum, [, shape]) => sum + sizeOfShape(shape), 0), shards: shards.length };
}

/** As BF16: the upper halves of float32 numbers, cut off. */
function randomBytes(name: string, shape: readonly number[], { draws, from }: { readonly draws: Float32Array; readonly from: number }): Uint8Array {
  const { mean, deviation } = distribution(name, shape);
  const values = new Uint16Array(sizeOfShape(shape));
  const upperHalves = new Uint16Array(draws.map((draw) => mean + deviation * draw).buffer);
  for (let i = 0; i < values.length; i++) values[i] = upperHalves[2 * ((from + i) % PERIOD) + 1]!;
  return new Uint8Array(values.buffer);
}

/** Norms and layer scales are constant, biases 0, matrices and filters keep the size of their input, embeddings, positions and head are small. */
function distribution(name: string, shape: readonly number[]): { readonly mean: number; readonly deviation: number } {
  if (name.endsWith(".bias")) return { mean: 0, deviation: 0 };
  if (/(norm\d?|mlp1\.0)\.weight$/.test(name)) return { mean: 1, deviation: 0 };
  if (/\.ls[12]$/.test(name)) return { mean: 0.1, deviation: 0 };
  const isMap = name.endsWith(".weight") && !/embed_tokens|lm_head/.test(name);
  return { mean: 0, deviation: isMap ? 1 / Math.sqrt(sizeOfShape(shape.slice(1))) : 0.02 };
}

function normalDraws(): Float32Array {
  const draw = rng(1, "random model");
  return Float32Array.from({ length: PERIOD }, () => draw.normal());
}

/**
 * @file A model folder as Hugging Face serves it, with random weights: shards of BF16 and their index, config.json, tokenizer.
 * Weights stream to the disk, so that a model of any size is written in little memory.
 */
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic, makeFolder, toJson } from "../../src/core/files.ts";
import { rng } from "../../src/core/rng.ts";
import { expectedParameters } from "../../src/model/checkpoints/expected-parameters.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { sizeOfShape } from "../../src/model/params.ts";

const TOKENIZER = join(import.meta.dirname, "../../data/tiny-emoverse");
/** Draws are repeated after a prime number of them, so that no row of a matrix meets its own copy. */
const PERIOD = 1_048_573;
const CHUNK = 1 << 22;

export interface RandomModel {
  readonly parameters: number;
  readonly bytes: number;
}

/** Writes the folder; config.json comes last. The vocabulary is the committed small tokenizer's, without words for sound. */
export async function writeRandomModel(folder: string, config: ModelConfig, { shards }: { readonly shards: number }): Promise<RandomModel> {
  await makeFolder(folder);
  const tensors = [...expectedParameters(config)].map(([name, shape]) => ({ name, shape, size: sizeOfShape(shape) }));
  const parameters = tensors.reduce((sum, { size }) => sum + size, 0);
  const draws = normalDraws();
  const weightMap: Record<string, string> = {};
  let [first, taken] = [0, 0];
  for (let shard = 1; shard <= shards; shard++) {
    const file = `model-${digits(shard)}-of-${digits(shards)}.safetensors`;
    const part: Tensor[] = [];
    while (first < tensors.length && (shard === shards || taken < (shard * parameters) / shards)) {
      const tensor = tensors[first++]!;
      taken += tensor.size;
      part.push(tensor);
      weightMap[tensor.name] = file;
    }
    await writeFileAtomic(join(folder, file), shardChunks(part, draws));
  }
  await writeFileAtomic(join(folder, "model.safetensors.index.json"), toJson({ metadata: { total_size: 2 * parameters }, weight_map: weightMap }));
  await writeTokenizer(folder);
  await writeFileAtomic(join(folder, "config.json"), toJson(config));
  return { parameters, bytes: 2 * parameters };
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly size: number;
}

function* shardChunks(tensors: readonly Tensor[], draws: Float32Array): Generator<Uint8Array> {
  let end = 0;
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  for (const { name, shape, size } of tensors) header[name] = { dtype: "BF16", shape, data_offsets: [end, (end += 2 * size)] };
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  yield length;
  yield json;
  let drawn = 0;
  for (const { name, shape, size } of tensors) {
    const valueAt = valuesOf(name, shape, draws, drawn);
    drawn += size % PERIOD;
    for (let start = 0; start < size; start += CHUNK) {
      const chunk = new Uint16Array(Math.min(CHUNK, size - start));
      for (let i = 0; i < chunk.length; i++) chunk[i] = valueAt(start + i);
      yield new Uint8Array(chunk.buffer);
    }
  }
}

/** BF16 bits by position: norms and layer scales are 1, biases 0, matrices keep the size of their input, embeddings and the rest are small. */
function valuesOf(name: string, shape: readonly number[], draws: Float32Array, from: number): (i: number) => number {
  const floats = new Float32Array(1);
  const bits = new Uint32Array(floats.buffer);
  const bf16 = (value: number): number => {
    floats[0] = value;
    return bits[0]! >>> 16;
  };
  if (name.endsWith(".bias")) return () => 0;
  if (/(norm\d?|layernorm|mlp1\.0)\.weight$/.test(name)) return () => bf16(1);
  if (/\.ls[12]$/.test(name)) return () => bf16(0.1);
  const isMatrix = shape.length === 2 && !/embed_tokens|tok_embeddings|lm_head/.test(name);
  const scale = isMatrix || shape.length === 4 ? 1 / Math.sqrt(sizeOfShape(shape.slice(1))) : 0.02;
  return (i) => bf16(scale * draws[(from + i) % PERIOD]!);
}

function normalDraws(): Float32Array {
  const draw = rng(1, "random model");
  return Float32Array.from({ length: PERIOD }, () => draw.normal());
}

async function writeTokenizer(folder: string): Promise<void> {
  const tokenizer = JSON.parse(await readFile(join(TOKENIZER, "tokenizer.json"), "utf8")) as { added_tokens: readonly { content: string }[] };
  await writeFileAtomic(join(folder, "tokenizer.json"), toJson({ ...tokenizer, added_tokens: tokenizer.added_tokens.filter(({ content }) => !/audio/i.test(content)) }));
  await copyFile(join(TOKENIZER, "tokenizer_config.json"), join(folder, "tokenizer_config.json"));
}

function digits(shard: number): string {
  return String(shard).padStart(5, "0");
}

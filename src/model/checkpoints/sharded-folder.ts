/** @file Weights in shards, as Hugging Face writes them: model-00001-of-00003.safetensors and so on, with an index. */
import { join } from "node:path";
import { toJson, writeFileAtomic } from "../../core/files.ts";
import { type StoredTensor, tensorBytes, type TensorToWrite, writeSafetensors } from "./write-safetensors.ts";

/** Largest shard that transformers writes by default. */
export const SHARD_BYTES = 5_000_000_000;

/** Writes the shards, then model.safetensors.index.json. Returns the names of the files. A tensor that is larger than a shard has one of its own. */
export async function writeShards(folder: string, tensors: readonly (TensorToWrite | StoredTensor)[], shardBytes = SHARD_BYTES): Promise<string[]> {
  const shards = cut(tensors, shardBytes);
  const nameOf = (index: number): string => `model-${number(index + 1)}-of-${number(shards.length)}.safetensors`;
  for (const [index, shard] of shards.entries()) await writeSafetensors(join(folder, nameOf(index)), shard, { format: "pt" });
  const weightMap = Object.fromEntries(shards.flatMap((shard, index) => shard.map(({ name }) => [name, nameOf(index)] as const)));
  const index = { metadata: { total_size: tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0) }, weight_map: weightMap };
  await writeFileAtomic(join(folder, "model.safetensors.index.json"), toJson(index));
  return [...shards.keys()].map(nameOf);
}

function cut(tensors: readonly (TensorToWrite | StoredTensor)[], shardBytes: number): (TensorToWrite | StoredTensor)[][] {
  const shards: (TensorToWrite | StoredTensor)[][] = [];
  let room = 0;
  for (const tensor of tensors) {
    const bytes = tensorBytes(tensor);
    const last = shards.at(-1);
    if (last === undefined || bytes > room) {
      shards.push([tensor]);
      room = shardBytes - bytes;
    } else {
      last.push(tensor);
      room -= bytes;
    }
  }
  return shards;
}

function number(value: number): string {
  return String(value).padStart(5, "0");
}

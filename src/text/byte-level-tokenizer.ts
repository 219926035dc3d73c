/** @file Byte-level BPE from vocab.json and merges.txt, as Qwen2's models are published: the same as their tokenizer.json. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { UserError } from "../core/errors.ts";
import { describeSystemError } from "../core/files.ts";
import { libraryTokenizer } from "./json-tokenizer.ts";
import { checkpointProblem, CONFIG_HINT, readJson, readTokenizerConfig } from "./tokenizer-files.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Qwen2's pre-tokenizer; `(?i:` of the published file is spelled out because Node 20's RegExp lacks it. */
export const WORD_PATTERN =
  "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

export interface ByteLevelVocabulary {
  readonly vocabulary: Readonly<Record<string, number>>;
  readonly merges: readonly (readonly [left: string, right: string])[];
  readonly added: readonly { readonly content: string; readonly id: number; readonly special: boolean }[];
}

/** The contents of a tokenizer.json of Qwen2's kind. */
export function byteLevelDefinition({ vocabulary, merges, added }: ByteLevelVocabulary): object {
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: added.map(({ id, content, special }) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special })),
    normalizer: { type: "NFC" },
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: WORD_PATTERN }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
      ],
    },
    post_processor: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    decoder: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: "",
      end_of_word_suffix: "",
      fuse_unk: false,
      byte_fallback: false,
      vocab: vocabulary,
      merges,
    },
  };
}

const vocabularySchema = z.record(z.string(), z.number().int().nonnegative());

/** @throws UserError (CheckpointError) when a file is missing or malformed, or another kind of tokenizer is meant. */
export async function loadByteLevelTokenizer(folder: string): Promise<Tokenizer> {
  const path = join(folder, "vocab.json");
  const parsed = vocabularySchema.safeParse(await readJson(path, ""));
  if (!parsed.success) throw new UserError(checkpointProblem(path, "not a table of tokens with their ids"));
  const config = await readJson(join(folder, "tokenizer_config.json"), CONFIG_HINT);
  const kind: unknown = "tokenizer_class" in config ? config.tokenizer_class : undefined;
  if (typeof kind !== "string" || !kind.startsWith("Qwen2")) {
    throw new UserError(checkpointProblem(path, `cannot be read for tokenizer_class ${JSON.stringify(kind)}, only for Qwen2Tokenizer`, "Take a folder with a tokenizer.json"));
  }
  const { added } = await readTokenizerConfig(folder, (token) => parsed.data[token]);
  return libraryTokenizer(byteLevelDefinition({ vocabulary: parsed.data, merges: await readMerges(join(folder, "merges.txt")), added }), config, path);
}

async function readMerges(path: string): Promise<[string, string][]> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw describeSystemError(cause, path);
  });
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  return lines.flatMap((line, i): [string, string][] => {
    if (line === "" || (i === 0 && line.startsWith("#version"))) return [];
    const [left, right, ...more] = line.split(" ");
    if (left === undefined || right === undefined || more.length > 0) throw new UserError(checkpointProblem(`${path}:${i + 1}`, `Got ${JSON.stringify(line)}, expected two tokens with a space between them`));
    return [[left, right]];
  });
}

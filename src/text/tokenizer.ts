/** @file Tokenizer: text to ids and back, from whatever files a model folder has. */
import { join } from "node:path";
import { UserError } from "../core/errors.ts";
import { loadByteLevelTokenizer } from "./byte-level-tokenizer.ts";
import { loadJsonTokenizer } from "./json-tokenizer.ts";
import { loadSentencePieceTokenizer } from "./sentencepiece-tokenizer.ts";
import { checkpointProblem, fileExists } from "./tokenizer-files.ts";

/** What stands in front of a text: the start of the sequence, a control token, or other text that it goes on. */
export type Before = "start" | "control" | "text";

export interface Tokenizer {
  /** One more than the largest id. */
  readonly vocabSize: number;
  /** What this tokenizer puts in front of every sequence: the BOS id of InternLM2 and Phi-3, nothing for Qwen2. */
  readonly startIds: readonly number[];
  /** Spellings of the control tokens, e.g. `<|im_end|>`. */
  readonly controlTokens: readonly string[];
  /**
   * Ids of `text` and of nothing else; a control token's spelling becomes that token.
   *
   * @param before - only vocabularies that put a space in front of a text ask for it; default "start".
   */
  encode(text: string, before?: Before): Int32Array;
  /** The exact text of `ids`, control tokens included; broken UTF-8 becomes U+FFFD; no ids give "". */
  decode(ids: ArrayLike<number>): string;
  /** @throws UserError when the vocabulary lacks this token. */
  idOf(token: string): number;
}

/**
 * The tokenizer of a model folder: tokenizer.json, or else tokenizer.model (SentencePiece), or else vocab.json with
 * merges.txt (byte-level BPE).
 *
 * @throws UserError (CheckpointError) when a file is missing, is not JSON, or is of a kind that cannot be read.
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  if (await fileExists(join(folder, "tokenizer.json"))) return loadJsonTokenizer(folder);
  if (await fileExists(join(folder, "tokenizer.model"))) return loadSentencePieceTokenizer(folder);
  if (await fileExists(join(folder, "vocab.json"))) return loadByteLevelTokenizer(folder);
  throw new UserError(checkpointProblem(folder, "no tokenizer", "Expected tokenizer.json, tokenizer.model or vocab.json with merges.txt, as every published model folder has"));
}

/** @file Tokenizer: text to ids and back, from a Hugging Face folder's tokenizer.json. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Tokenizer as LibraryTokenizer } from "@huggingface/tokenizers";
import { UserError } from "../core/errors.ts";
import type { Problem } from "../core/errors.ts";
import { describeSystemError } from "../core/files.ts";

export interface Tokenizer {
  /** One more than the largest id. */
  readonly vocabSize: number;
  /** What this tokenizer puts in front of every sequence: the BOS id of InternLM2 and Phi-3, nothing for Qwen2. */
  readonly startIds: readonly number[];
  /** Spellings of the control tokens, e.g. `<|im_end|>`. */
  readonly controlTokens: readonly string[];
  /** Ids of `text` and of nothing else; a control token's spelling becomes that token. */
  encode(text: string): Int32Array;
  /** The exact text of `ids`, control tokens included; broken UTF-8 becomes U+FFFD; no ids give "". */
  decode(ids: ArrayLike<number>): string;
  /** @throws UserError when the vocabulary lacks this token. */
  idOf(token: string): number;
}

/**
 * The tokenizer of a model folder.
 *
 * @throws UserError (CheckpointError) when a file is missing, is not JSON, or is of a kind that cannot be read.
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const path = join(folder, "tokenizer.json");
  const definition = await readJson(path, "A tokenizer.model (SentencePiece) or vocab.json alone must be converted to tokenizer.json first");
  const config = await readJson(join(folder, "tokenizer_config.json"), "It lies next to tokenizer.json in every published model folder");
  try {
    return wrap(new Library(definition, config), path);
  } catch (cause) {
    throw new UserError(checkpointProblem(path, `cannot be used as a tokenizer: ${String(cause)}`), { cause });
  }
}

/** What we use of the library; its own declarations do not resolve under `nodenext` and would silently be `any`. */
interface LibraryInstance {
  encode(text: string, options: { add_special_tokens: boolean }): { readonly ids: readonly number[] };
  decode(ids: readonly number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string;
  token_to_id(token: string): number | undefined;
  get_vocab(): ReadonlyMap<string, number>;
  get_added_tokens_decoder(): ReadonlyMap<number, { readonly content: string; readonly special: boolean }>;
}
const Library = LibraryTokenizer as unknown as new (definition: object, config: object) => LibraryInstance;

function wrap(library: LibraryInstance, path: string): Tokenizer {
  const encode = (text: string, addSpecial: boolean): readonly number[] => library.encode(text, { add_special_tokens: addSpecial }).ids;
  return {
    vocabSize: 1 + [...library.get_vocab().values()].reduce((largest, id) => Math.max(largest, id), -1),
    startIds: idsInFront(encode("a", true), encode("a", false)),
    controlTokens: [...library.get_added_tokens_decoder().values()].filter(({ special }) => special).map(({ content }) => content),
    encode: (text) => Int32Array.from(encode(text, false)),
    // The library's decode refuses an empty list.
    decode: (ids) =>
      ids.length === 0 ? "" : library.decode(Array.from(ids), { skip_special_tokens: false, clean_up_tokenization_spaces: false }),
    idOf: (token) => {
      const id = library.token_to_id(token);
      if (id !== undefined) return id;
      const hint = "Add it to added_tokens, or switch off what needs it (data.modalities, model template)";
      throw new UserError(checkpointProblem(path, `no token "${token}" in the vocabulary`, hint));
    },
  };
}

function idsInFront(whole: readonly number[], plain: readonly number[]): number[] {
  const start = whole.findIndex((_, at) => plain.every((id, i) => whole[at + i] === id));
  return whole.slice(0, Math.max(start, 0));
}

async function readJson(path: string, hint: string): Promise<object> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    const error = describeSystemError(cause, path);
    const what = error instanceof UserError ? (error.problems[0]?.what ?? String(cause)) : String(cause);
    throw new UserError(checkpointProblem(path, what, hint), { cause });
  }
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch (cause) {
    throw new UserError(checkpointProblem(path, `not valid JSON: ${String(cause)}`), { cause });
  }
  throw new UserError(checkpointProblem(path, "not a JSON object"));
}

function checkpointProblem(where: string, what: string, hint?: string): Problem {
  return { kind: "CheckpointError", where, what, ...(hint === undefined ? {} : { hint }) };
}

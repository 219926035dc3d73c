/** @file The tokenizer of a tokenizer.json, through Hugging Face's library. */
import { join } from "node:path";
import { Tokenizer as LibraryTokenizer } from "@huggingface/tokenizers";
import { UserError } from "../core/errors.ts";
import { checkpointProblem, CONFIG_HINT, readJson } from "./tokenizer-files.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** @throws UserError (CheckpointError) when a file is missing, is not JSON, or is of a kind that cannot be read. */
export async function loadJsonTokenizer(folder: string): Promise<Tokenizer> {
  const path = join(folder, "tokenizer.json");
  return libraryTokenizer(await readJson(path, ""), await readJson(join(folder, "tokenizer_config.json"), CONFIG_HINT), path);
}

/**
 * The tokenizer of a definition in the form of tokenizer.json.
 *
 * @param path - file for messages.
 */
export function libraryTokenizer(definition: object, config: object, path: string): Tokenizer {
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
    decode: (ids) => (ids.length === 0 ? "" : library.decode(Array.from(ids), { skip_special_tokens: false, clean_up_tokenization_spaces: false })),
    idOf: (token) => library.token_to_id(token) ?? unknownToken(token, path),
  };
}

/** @throws UserError - always. */
export function unknownToken(token: string, path: string): never {
  const hint = "Add it to added_tokens, or switch off what needs it (data.modalities, model template)";
  throw new UserError(checkpointProblem(path, `no token "${token}" in the vocabulary`, hint));
}

function idsInFront(whole: readonly number[], plain: readonly number[]): number[] {
  const start = whole.findIndex((_, at) => plain.every((id, i) => whole[at + i] === id));
  return whole.slice(0, Math.max(start, 0));
}

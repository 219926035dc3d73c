/** @file The JSON files of a tokenizer's folder: which tokens are added to the vocabulary, and how they take the spaces beside them. */
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { UserError, type Problem } from "../core/errors.ts";
import { describeSystemError } from "../core/files.ts";
import { sha256, sha256File } from "../core/hash.ts";

export interface AddedToken {
  readonly content: string;
  readonly id: number;
  /** A control token, as opposed to a word that was added to the vocabulary. */
  readonly special: boolean;
  /** Takes the white space on its left, or right, with it. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Is no token where it stands inside a word. */
  readonly singleWord: boolean;
}

export interface TokenizerConfig {
  /** In id order. */
  readonly added: readonly AddedToken[];
  /** What stands in front of every sequence. */
  readonly bos: string | undefined;
  readonly addsBos: boolean | undefined;
  /** Llama's way until transformers 4.31: every text after a control token takes a dummy space. */
  readonly isLegacy: boolean;
}

/** Tokens are named by their text or described by an object. */
const tokenSchema = z.union([z.string(), z.looseObject({ content: z.string() }).transform(({ content }) => content)]);
const describedSchema = z.looseObject({
  content: z.string(),
  special: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  single_word: z.boolean().default(false),
});
const namedSchema = z.looseObject({
  bos_token: tokenSchema.nullish(),
  eos_token: tokenSchema.nullish(),
  unk_token: tokenSchema.nullish(),
  pad_token: tokenSchema.nullish(),
  additional_special_tokens: z.array(tokenSchema).nullish(),
});
const configSchema = z.looseObject({
  ...namedSchema.shape,
  add_bos_token: z.boolean().nullish(),
  legacy: z.boolean().nullish(),
  added_tokens_decoder: z.record(z.string().regex(/^\d+$/), describedSchema).default({}),
});
const addedSchema = z.record(z.string(), z.number().int().nonnegative());

/**
 * What tokenizer_config.json, added_tokens.json and special_tokens_map.json say.
 *
 * @param idInVocabulary - id of a special token that is part of the vocabulary itself.
 * @throws UserError (CheckpointError) when tokenizer_config.json is missing or one of them is malformed.
 */
export async function readTokenizerConfig(folder: string, idInVocabulary: (token: string) => number | undefined): Promise<TokenizerConfig> {
  const config = parse(configSchema, await readJson(join(folder, "tokenizer_config.json"), CONFIG_HINT), join(folder, "tokenizer_config.json"));
  const added = parse(addedSchema, await readJsonIfThere(join(folder, "added_tokens.json")), join(folder, "added_tokens.json"));
  const map = parse(namedSchema, await readJsonIfThere(join(folder, "special_tokens_map.json")), join(folder, "special_tokens_map.json"));
  const named = { ...map, ...withoutEmpty(config) };
  const special = [named.unk_token, named.bos_token, named.eos_token, named.pad_token, ...(named.additional_special_tokens ?? [])].filter((token) => typeof token === "string");
  const tokens = new Map<string, AddedToken>();
  for (const [content, id] of Object.entries(added)) tokens.set(content, plainToken(content, id, special.includes(content)));
  for (const [id, { single_word: singleWord, ...token }] of Object.entries(config.added_tokens_decoder)) {
    tokens.set(token.content, { content: token.content, id: Number(id), special: token.special || special.includes(token.content), lstrip: token.lstrip, rstrip: token.rstrip, singleWord });
  }
  for (const content of special) {
    const id = idInVocabulary(content);
    if (!tokens.has(content) && id !== undefined) tokens.set(content, plainToken(content, id, true));
  }
  return {
    added: [...tokens.values()].sort((a, b) => a.id - b.id),
    bos: named.bos_token ?? undefined,
    addsBos: config.add_bos_token ?? undefined,
    isLegacy: config.legacy ?? true,
  };
}

/** Every file that can say what the tokens are. */
const FILES = ["tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"];

/** Paths of those that the folder has. */
export async function tokenizerFiles(folder: string): Promise<string[]> {
  const paths = FILES.map((name) => join(folder, name));
  const areThere = await Promise.all(paths.map(fileExists));
  return paths.filter((_, i) => areThere[i]);
}

/** Hash of every file that says what the tokens are. */
export async function tokenizerHash(folder: string): Promise<string> {
  return sha256(...(await Promise.all((await tokenizerFiles(folder)).map(sha256File))));
}

export const CONFIG_HINT = "It lies beside the vocabulary in every published model folder";

function plainToken(content: string, id: number, special: boolean): AddedToken {
  return { content, id, special, lstrip: false, rstrip: false, singleWord: false };
}

function withoutEmpty<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)) as Partial<T>;
}

function parse<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new UserError(parsed.error.issues.slice(0, 5).map((issue) => checkpointProblem(where, `${issue.path.join(".") || "the file"}: ${issue.message}`)));
}

/** @throws UserError (CheckpointError) when the file is missing, is not JSON or not an object. */
export async function readJson(path: string, hint: string): Promise<object> {
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

async function readJsonIfThere(path: string): Promise<object> {
  return (await fileExists(path)) ? readJson(path, "") : {};
}

export async function fileExists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

export function checkpointProblem(where: string, what: string, hint?: string): Problem {
  return { kind: "CheckpointError", where, what, ...(hint === undefined ? {} : { hint }) };
}

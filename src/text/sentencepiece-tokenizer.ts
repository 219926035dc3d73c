/**
 * @file The tokenizer of a tokenizer.model with the tokens that were added to it: what transformers' slow Llama and
 * InternLM2 tokenizers do. Added tokens are cut out first; the texts between them go to SentencePiece.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { UserError } from "../core/errors.ts";
import { describeSystemError } from "../core/files.ts";
import { unknownToken } from "./json-tokenizer.ts";
import { parseSentencePieceModel, type SentencePieceModel } from "./sentencepiece/model.ts";
import { sentencePieceProcessor, type SentencePieceProcessor } from "./sentencepiece/processor.ts";
import { checkpointProblem, readTokenizerConfig, type AddedToken, type TokenizerConfig } from "./tokenizer-files.ts";
import type { Before, Tokenizer } from "./tokenizer.ts";

/** @throws UserError (CheckpointError) when a file is missing or damaged. */
export async function loadSentencePieceTokenizer(folder: string): Promise<Tokenizer> {
  const path = join(folder, "tokenizer.model");
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw describeSystemError(cause, path);
  });
  const { model, processor } = readModel(bytes, path);
  const idInVocabulary = new Map(model.pieces.map(({ text }, id) => [text, id]));
  const config = await readTokenizerConfig(folder, (token) => idInVocabulary.get(token));
  return tokenizerOf({ model, processor, config, idInVocabulary, path });
}

function readModel(bytes: Uint8Array, path: string): { model: SentencePieceModel; processor: SentencePieceProcessor } {
  try {
    const model = parseSentencePieceModel(bytes);
    return { model, processor: sentencePieceProcessor(model) };
  } catch (cause) {
    throw new UserError(checkpointProblem(path, `not a SentencePiece model: ${cause instanceof Error ? cause.message : String(cause)}`, "Download it again"), { cause });
  }
}

interface Parts {
  readonly model: SentencePieceModel;
  readonly processor: SentencePieceProcessor;
  readonly config: TokenizerConfig;
  readonly idInVocabulary: ReadonlyMap<string, number>;
  readonly path: string;
}

function tokenizerOf({ model, processor, config, idInVocabulary, path }: Parts): Tokenizer {
  const { added, bos, addsBos, isLegacy } = config;
  const byContent = new Map(added.map((token) => [token.content, token]));
  const byId = new Map(added.map((token) => [token.id, token]));
  const pattern = patternOf(added);
  const idOf = (token: string): number => byContent.get(token)?.id ?? idInVocabulary.get(token) ?? unknownToken(token, path);
  const encodeText = (text: string, before: Before): number[] => processor.encode(text, takesDummySpace(before, isLegacy) ? "add" : "omit");
  return {
    vocabSize: 1 + added.reduce((largest, { id }) => Math.max(largest, id), model.pieces.length - 1),
    startIds: addsBos === false || bos === undefined ? [] : [idOf(bos)],
    controlTokens: added.filter(({ special }) => special).map(({ content }) => content),
    encode: (text, before = "start") =>
      Int32Array.from(cutAddedTokens(text, pattern, byContent).flatMap((part, i) => (typeof part === "string" ? encodeText(part, i === 0 ? before : "control") : [part.id]))),
    decode: (ids) => decodeRuns(Array.from(ids), { byId, decodeText: (run, isFirst) => processor.decode(run, takesDummySpace(isFirst ? "start" : "control", isLegacy) ? "add" : "omit") }),
    idOf,
  };
}

/** The old way puts the dummy space in front of every text but one that goes on; the new one only where the sequence starts. */
function takesDummySpace(before: Before, isLegacy: boolean): boolean {
  return before === "start" || (before === "control" && isLegacy);
}

/** Finds added tokens: the leftmost, of those the longest. */
function patternOf(added: readonly AddedToken[]): RegExp | undefined {
  const contents = added.map(({ content }) => content).filter((content) => content !== "").sort((a, b) => b.length - a.length);
  return contents.length === 0 ? undefined : new RegExp(`(${contents.map((content) => content.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|")})`, "u");
}

/** Texts and added tokens in order; tokens take the white space that is theirs, empty texts vanish. */
function cutAddedTokens(text: string, pattern: RegExp | undefined, byContent: ReadonlyMap<string, AddedToken>): (string | AddedToken)[] {
  if (pattern === undefined) return text === "" ? [] : [text];
  const parts: (string | AddedToken)[] = text.split(pattern).map((part, i) => (i % 2 === 1 ? (byContent.get(part) ?? part) : part));
  for (let i = 1; i < parts.length; i += 2) {
    const token = parts[i];
    const [left, right] = [parts[i - 1], parts[i + 1]];
    if (typeof token !== "object" || typeof left !== "string" || typeof right !== "string") continue;
    if (token.rstrip) parts[i + 1] = right.trimStart();
    if (token.lstrip) parts[i - 1] = left.trimEnd();
    if (token.singleWord && ((left !== "" && !left.endsWith(" ")) || (right !== "" && !right.startsWith(" ")))) {
      parts[i] = "";
      parts[i + 1] = left + token.content + right;
      parts[i - 1] = "";
    }
  }
  return parts.filter((part) => part !== "");
}

interface RunDecoder {
  readonly byId: ReadonlyMap<number, AddedToken>;
  readonly decodeText: (ids: readonly number[], isFirst: boolean) => string;
}

function decodeRuns(ids: readonly number[], { byId, decodeText }: RunDecoder): string {
  let decoded = "";
  for (let start = 0; start < ids.length; ) {
    const token = byId.get(ids[start] ?? -1);
    if (token !== undefined) {
      decoded += token.content;
      start++;
      continue;
    }
    const next = ids.findIndex((id, i) => i > start && byId.has(id));
    const end = next < 0 ? ids.length : next;
    decoded += decodeText(ids.slice(start, end), start === 0);
    start = end;
  }
  return decoded;
}

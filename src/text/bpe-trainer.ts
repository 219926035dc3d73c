/**
 * @file Byte-level BPE training: the most frequent pair is merged until the vocabulary is full, ties going to the
 * smallest (left id, right id). The outcome is a tokenizer.json of Qwen2's kind with single digits.
 */
import { invariant } from "../core/errors.ts";
import { byteLevelDefinition, WORD_PATTERN } from "./byte-level-tokenizer.ts";

/** Control tokens of Qwen2-style InternVL plus ours for sound, in id order; they follow the learned vocabulary. */
export const CONTROL_TOKENS = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  "<img>",
  "</img>",
  "<IMG_CONTEXT>",
  "<audio>",
  "</audio>",
  "<AUDIO_CONTEXT>",
] as const;

/** Smallest vocabulary: the 256 bytes and the control tokens. */
export const MIN_VOCAB_SIZE = 256 + CONTROL_TOKENS.length;

/** Contents of the two files of a tokenizer folder, ready for JSON. */
export interface TokenizerFiles {
  readonly "tokenizer.json": object;
  readonly "tokenizer_config.json": object;
}

/**
 * A tokenizer trained on `texts`. Its vocabulary is smaller than `vocabSize` when no pair occurs twice any more.
 *
 * @param vocabSize - bytes, merges and control tokens together; at least MIN_VOCAB_SIZE.
 */
export function trainTokenizer(texts: Iterable<string>, vocabSize: number): TokenizerFiles {
  invariant(vocabSize >= MIN_VOCAB_SIZE, () => `vocabulary of ${vocabSize}, at least ${MIN_VOCAB_SIZE} needed`);
  const merges = learnMerges(countWords(texts), vocabSize - MIN_VOCAB_SIZE);
  const spellings = [...BYTE_SPELLINGS.order];
  for (const [left, right] of merges) spellings.push(spelling(spellings, left) + spelling(spellings, right));
  return {
    "tokenizer.json": tokenizerJson(spellings, merges),
    "tokenizer_config.json": {
      tokenizer_class: "Qwen2Tokenizer",
      add_bos_token: false,
      bos_token: null,
      eos_token: "<|im_end|>",
      pad_token: "<|endoftext|>",
      clean_up_tokenization_spaces: false,
    },
  };
}

type Pair = readonly [left: number, right: number];

interface Word {
  ids: number[];
  readonly count: number;
}

/** The merges in the order they were learned; merge i makes id 256 + i. */
export function learnMerges(wordCounts: ReadonlyMap<string, number>, maxMerges: number): Pair[] {
  const words = [...wordCounts].map(([word, count]): Word => ({ ids: bytesOf(word), count }));
  const pairs = new PairCounts(words);
  const merges: Pair[] = [];
  while (merges.length < maxMerges) {
    const best = pairs.mostFrequent();
    if (best === undefined) break;
    pairs.merge(best, 256 + merges.length);
    merges.push(best);
  }
  return merges;
}

/** Occurrences of every adjacent pair, kept up to date while words are merged. */
class PairCounts {
  readonly #words: readonly Word[];
  readonly #counts = new Map<number, number>();
  /** Words that hold a pair, or held it once. */
  readonly #places = new Map<number, Set<Word>>();

  constructor(words: readonly Word[]) {
    this.#words = words;
    for (const word of this.#words) this.#add(word, word.count);
  }

  /** Undefined when no pair occurs twice. */
  mostFrequent(): Pair | undefined {
    let bestKey = -1;
    let bestCount = 1;
    for (const [key, count] of this.#counts) {
      if (count > bestCount || (count === bestCount && count > 1 && key < bestKey)) [bestKey, bestCount] = [key, count];
    }
    return bestKey < 0 ? undefined : [Math.floor(bestKey / KEY_BASE), bestKey % KEY_BASE];
  }

  merge(pair: Pair, newId: number): void {
    for (const word of this.#places.get(pairKey(...pair)) ?? []) {
      this.#add(word, -word.count);
      word.ids = mergeIds(word.ids, pair, newId);
      this.#add(word, word.count);
    }
    this.#places.delete(pairKey(...pair));
  }

  #add(word: Word, count: number): void {
    for (let i = 1; i < word.ids.length; i++) {
      const key = pairKey(word.ids[i - 1]!, word.ids[i]!);
      const total = (this.#counts.get(key) ?? 0) + count;
      if (total === 0) this.#counts.delete(key);
      else this.#counts.set(key, total);
      const places = this.#places.get(key);
      if (places === undefined) this.#places.set(key, new Set([word]));
      else places.add(word);
    }
  }
}

/** Keys order as (left, right); ids stay far below the base. */
const KEY_BASE = 2 ** 24;
const pairKey = (left: number, right: number): number => left * KEY_BASE + right;

function mergeIds(ids: readonly number[], [left, right]: Pair, newId: number): number[] {
  const merged: number[] = [];
  for (let i = 0; i < ids.length; i++) {
    const isPair = ids[i] === left && ids[i + 1] === right;
    merged.push(isPair ? newId : ids[i]!);
    if (isPair) i++;
  }
  return merged;
}

function countWords(texts: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  const word = new RegExp(WORD_PATTERN, "gu");
  const controlToken = new RegExp(CONTROL_TOKENS.map((token) => token.replaceAll("|", "\\|")).join("|"), "u");
  for (const text of texts) {
    for (const part of text.normalize("NFC").split(controlToken)) {
      for (const [match] of part.matchAll(word)) counts.set(match, (counts.get(match) ?? 0) + 1);
    }
  }
  return counts;
}

/**
 * GPT-2's printable character for each byte. `order` lists the characters by id: first the bytes that are printable
 * themselves, then the others as U+0100 and up.
 */
const BYTE_SPELLINGS = (() => {
  const isPrintable = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const bytes = Array.from({ length: 256 }, (_, byte) => byte);
  const ordered = [...bytes.filter(isPrintable), ...bytes.filter((byte) => !isPrintable(byte))];
  const printableCount = bytes.filter(isPrintable).length;
  const order = ordered.map((byte, id) => String.fromCodePoint(id < printableCount ? byte : 0x100 + id - printableCount));
  const idOfByte = new Uint8Array(256);
  ordered.forEach((byte, id) => (idOfByte[byte] = id));
  return { order, idOfByte };
})();

const bytesOf = (word: string): number[] => Array.from(Buffer.from(word, "utf8"), (byte) => BYTE_SPELLINGS.idOfByte[byte]!);

function tokenizerJson(spellings: readonly string[], merges: readonly Pair[]): object {
  return byteLevelDefinition({
    vocabulary: Object.fromEntries(spellings.map((token, id) => [token, id])),
    merges: merges.map(([left, right]) => [spelling(spellings, left), spelling(spellings, right)]),
    added: CONTROL_TOKENS.map((content, i) => ({ id: spellings.length + i, content, special: true })),
  });
}

function spelling(spellings: readonly string[], id: number): string {
  const found = spellings[id];
  invariant(found !== undefined, () => `id ${id} in a vocabulary of ${spellings.length}`);
  return found;
}

/** @file The words by which datasets name splits, emotions and sentiments, whatever their case, as ours. */
import { EMOTIONS } from "../record.ts";
import type { Emotion, Polarity, Split } from "../record.ts";

export interface Reading<T> {
  readonly value: T;
  /** How the word differs from the expected one; absent when it does not. */
  readonly differs?: "letter case" | "another word";
}

const SPLIT_WORDS: Readonly<Record<string, Split>> = { train: "train", training: "train", val: "val", valid: "val", validation: "val", dev: "val", develop: "val", development: "val", test: "test", testing: "test" };
const OUR_SPLIT_WORDS = ["train", "val", "valid", "dev", "test"];

/** `valid`, `Dev`, `testing`, ...; undefined for a word that names no split. */
export function readSplit(word: string): Reading<Split> | undefined {
  return read(word, { words: SPLIT_WORDS, expected: OUR_SPLIT_WORDS });
}

/** The split that a path names, by its last part that holds a split's word: `train_splits`, `dev_splits_complete`, `test/clips`. */
export function splitInPath(path: string): Split | undefined {
  return path
    .toLowerCase()
    .split("/")
    .map((part) => part.split(/[^a-z]+/).flatMap((word) => SPLIT_WORDS[word] ?? [])[0])
    .findLast((split) => split !== undefined);
}

const EMOTION_WORDS: Readonly<Record<string, Emotion>> = {
  ...Object.fromEntries(EMOTIONS.map((emotion) => [emotion, emotion])),
  ...{ angry: "anger", mad: "anger", sad: "sadness", surprised: "surprise", disgusted: "disgust", happy: "joy", happiness: "joy", joyful: "joy", fearful: "fear", afraid: "fear", scared: "fear" },
};

/** One of the seven emotions; undefined for a word outside the set. */
export function readEmotion(word: string): Reading<Emotion> | undefined {
  return read(word, { words: EMOTION_WORDS, expected: EMOTIONS });
}

const POLARITY_WORDS: Readonly<Record<string, Polarity>> = { positive: "positive", pos: "positive", negative: "negative", neg: "negative", neutral: "neutral" };

/** One of the three polarities; undefined for a word outside the set. */
export function readPolarity(word: string): Reading<Polarity> | undefined {
  return read(word, { words: POLARITY_WORDS, expected: ["positive", "negative", "neutral"] });
}

function read<T>(word: string, { words, expected }: { readonly words: Readonly<Record<string, T>>; readonly expected: readonly string[] }): Reading<T> | undefined {
  const trimmed = word.trim();
  const lower = trimmed.toLowerCase();
  const value = Object.hasOwn(words, lower) ? words[lower] : undefined;
  if (value === undefined) return undefined;
  if (expected.includes(trimmed)) return { value };
  return { value, differs: expected.includes(lower) ? "letter case" : "another word" };
}

/**
 * @file What words alone are worth: logistic regression on an utterance's bag of words, the score that a model of emotion
 * recognition has to beat. Trained on a dataset's training split, its one setting chosen on the validation split.
 *
 *   npx tsx scripts/bag-of-words.ts --data data/meld
 */
import { Command } from "commander";
import { openDataset } from "../src/data/dataset.ts";
import { EMOTIONS } from "../src/data/record.ts";
import type { EmtRecord } from "../src/data/record.ts";
import { emotion } from "../src/tasks/emotion.ts";
import { renderLabel } from "../src/tasks/label-answer.ts";

const { data } = new Command("bag-of-words").requiredOption("--data <folder>", "a built dataset").parse().opts<{ data: string }>();

/** Ids of the terms of an utterance, distinct; each weighs 1 / sqrt(number of terms). */
type Bag = readonly number[];

interface Example {
  readonly bag: Bag;
  /** Index into EMOTIONS. */
  readonly label: number;
}

const STRENGTHS = [1e-5, 3e-5, 1e-4, 3e-4, 1e-3];
const ITERATIONS = 400;
/** A term of the training split occurs in at least so many utterances. */
const MIN_COUNT = 2;

const dataset = await openDataset(data);
const utterances = (split: "train" | "val" | "test") => dataset.records(split).flatMap(labelled);
const vocabulary = learnVocabulary(utterances("train").map(({ text }) => text));
const [train, validation, test] = (["train", "val", "test"] as const).map((split) => utterances(split).map(({ text, label }): Example => ({ bag: bagOf(text), label })));
const fits = STRENGTHS.map((strength) => {
  const weights = fit(train!, strength);
  const value = weightedF1(validation!, weights);
  process.stdout.write(`L2 ${strength}: weighted F1 ${value.toFixed(4)} on the validation split\n`);
  return { strength, weights, value };
});
const best = fits.reduce((a, b) => (b.value > a.value ? b : a));
process.stdout.write(`${vocabulary.size} terms, L2 ${best.strength}: weighted F1 ${weightedF1(test!, best.weights).toFixed(4)} on the ${test!.length} utterances of the test split\n`);

function labelled({ utterances: turns }: EmtRecord): readonly { readonly text: string; readonly label: number }[] {
  return turns.flatMap(({ text, emotion: word }) => (word === undefined ? [] : [{ text, label: EMOTIONS.indexOf(word) }]));
}

/** Words and punctuation marks in lower case, and pairs of neighbours. */
function termsOf(text: string): string[] {
  const words = text.toLowerCase().replaceAll("’", "'").match(/[a-z0-9']+|[?!.,…—-]+/g) ?? [];
  return [...words, ...words.slice(1).map((word, i) => `${words[i]} ${word}`)];
}

function learnVocabulary(texts: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) for (const term of new Set(termsOf(text))) counts.set(term, (counts.get(term) ?? 0) + 1);
  return new Map([...counts].filter(([, count]) => count >= MIN_COUNT).map(([term], id) => [term, id]));
}

function bagOf(text: string): Bag {
  return [...new Set(termsOf(text))].flatMap((term) => vocabulary.get(term) ?? []);
}

/** Weights [terms + 1, emotions], the last row the bias, by accelerated gradient descent on the mean log-loss. */
function fit(examples: readonly Example[], strength: number): Float64Array {
  const size = (vocabulary.size + 1) * EMOTIONS.length;
  let weights = new Float64Array(size);
  let ahead = weights.slice();
  for (let iteration = 1; iteration <= ITERATIONS; iteration++) {
    const gradient = ahead.map((weight) => strength * weight);
    for (const { bag, label } of examples) {
      const chances = softmax(scoresOf(bag, ahead));
      for (const [c, chance] of chances.entries()) addTo(gradient, bag, c, (chance - Number(c === label)) / examples.length);
    }
    const next = ahead.map((weight, i) => weight - (gradient[i] ?? 0)); // bags have length 1: a step of 1 converges
    const momentum = (iteration - 1) / (iteration + 2);
    ahead = next.map((weight, i) => weight + momentum * (weight - (weights[i] ?? 0)));
    weights = next;
  }
  return weights;
}

function scoresOf(bag: Bag, weights: Float64Array): number[] {
  const length = Math.sqrt(Math.max(bag.length, 1));
  return EMOTIONS.map((_, c) => bag.reduce((sum, term) => sum + (weights[term * EMOTIONS.length + c] ?? 0) / length, weights[vocabulary.size * EMOTIONS.length + c] ?? 0));
}

function addTo(gradient: Float64Array, bag: Bag, c: number, error: number): void {
  const length = Math.sqrt(Math.max(bag.length, 1));
  for (const term of bag) gradient[term * EMOTIONS.length + c] = (gradient[term * EMOTIONS.length + c] ?? 0) + error / length;
  const bias = vocabulary.size * EMOTIONS.length + c;
  gradient[bias] = (gradient[bias] ?? 0) + error;
}

function softmax(scores: readonly number[]): number[] {
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

function weightedF1(examples: readonly Example[], weights: Float64Array): number {
  const answer = (label: number): string => renderLabel(EMOTIONS[label] ?? "");
  const rows = examples.map(({ bag, label }, i) => {
    const scores = scoresOf(bag, weights);
    return { id: String(i), gold: answer(label), response: answer(scores.indexOf(Math.max(...scores))) };
  });
  return emotion.score(rows).metrics["weightedF1"] ?? Number.NaN;
}

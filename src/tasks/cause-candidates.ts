/**
 * @file Weighing of cause-pair answers: the likely answers of a target, and the pairs that their probabilities speak for.
 * The likeliest answer as a whole names too few pairs: F1 is largest when every pair is named whose probability is at least
 * half of the F1 that is reached.
 */
import type { Emotion } from "../data/record.ts";
import type { EmotionPair } from "../metrics/pairs.ts";
import { parsePairs, renderPairs } from "./cause-answer.ts";
import type { WeighedAnswer } from "./task.ts";

/** Where causes stand, seen from the target; in ECF 2.0's training set 94 % of them are in the near window and 99 % in both. */
const NEAR = [-3, -2, -1, 0, 1];
const FAR = [-6, -5, -4, 2];
/** Sets for when each comes with six emotions. */
const USUAL = [[-3], [-2], [-1], [0], [1], [-2, -1], [-2, 0], [-1, 0], [0, 1], [-2, -1, 0]];
const MOST_CAUSES = 3;

interface Target {
  readonly number: number;
  /** Numbers of the turns that may be named. */
  readonly first: number;
  readonly last: number;
  /** Those that the target may have: one if the prompt gives it. */
  readonly emotions: readonly Emotion[];
}

/** The answers that are weighed against each other; `None.` is among them. */
export function candidateAnswers({ number, first, last, emotions }: Target): readonly string[] {
  const sets = emotions.length > 1 ? USUAL : [...subsets(NEAR).filter((set) => set.length >= 1 && set.length <= MOST_CAUSES), ...FAR.map((offset) => [offset])];
  const causes = sets.map((set) => set.map((offset) => number + offset)).filter((set) => set.every((cause) => cause >= first && cause <= last));
  return [renderPairs([]), ...emotions.flatMap((emotion) => causes.map((set) => renderPairs(set.map((causeUtterance) => ({ emotionUtterance: number, emotion, causeUtterance })))))];
}

/** Every pair whose probability, that of all answers with it, is at least `threshold`. */
export function likelyPairs(weighed: readonly WeighedAnswer[], threshold: number): string {
  const total = weighed.reduce((sum, { probability }) => sum + probability, 0);
  const pairs = new Map<string, { readonly pair: EmotionPair; readonly probability: number }>();
  for (const { answer, probability } of weighed) {
    for (const pair of parsePairs(answer) ?? []) {
      const key = renderPairs([pair]);
      pairs.set(key, { pair, probability: (pairs.get(key)?.probability ?? 0) + probability / total });
    }
  }
  return renderPairs([...pairs.values()].filter(({ probability }) => probability >= threshold).map(({ pair }) => pair));
}

function subsets<T>([first, ...rest]: readonly T[]): readonly (readonly T[])[] {
  if (first === undefined) return [[]];
  const without = subsets(rest);
  return [...without, ...without.map((set) => [first, ...set])];
}

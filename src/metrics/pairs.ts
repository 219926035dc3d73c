/** @file Emotion-cause pair scores with the counting of SemEval-2024 task 3 (ECAC), subtask 2. */
import { EMOTIONS } from "../data/record.ts";
import type { Emotion } from "../data/record.ts";
import { addCounts } from "./counts.ts";
import type { Counts } from "./counts.ts";
import type { ClassScore } from "./f1.ts";
import { ratio, sum } from "./ratio.ts";

/** "Emotion of utterance i is caused by utterance j"; utterance numbers are 1-based. */
export interface EmotionPair {
  readonly emotionUtterance: number;
  readonly emotion: Emotion;
  readonly causeUtterance: number;
}

/** Gold and predicted pairs that may be compared with each other: those of one conversation, or of one target utterance. */
export interface PairRow {
  readonly gold: readonly EmotionPair[];
  readonly predicted: readonly EmotionPair[];
}

export interface PairScores {
  /** Micro over the six emotions. */
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Means over the six emotions, weighted by their numbers of gold pairs. */
  readonly weightedPrecision: number;
  readonly weightedRecall: number;
  readonly weightedF1: number;
  readonly perClass: Readonly<Record<string, ClassScore>>;
}

/** The official program adds this to every denominator, so that a perfect score is 0.99999999. */
const EPSILON = 1e-8;

/** Neutral is no class: neutral pairs are ignored on both sides. */
export const PAIR_EMOTIONS: readonly Emotion[] = EMOTIONS.filter((emotion) => emotion !== "neutral");

/**
 * Official scores: a pair is right when both utterances and the emotion are; a pair named twice in a row counts once.
 * Without gold pairs the weighted means are 0 (the official program divides by zero).
 *
 * @see NUSTM/SemEval-2024_ECAC, CodaLab/evaluation/evaluate.py, cal_prf_pair_emocate.
 */
export function pairScores(rows: readonly PairRow[]): PairScores {
  return pairScoresOf(addCounts(rows.map(countPairs)));
}

/** Right, gold and predicted pairs of each of the six emotions, three numbers each. */
export function countPairs({ gold, predicted }: PairRow): Counts {
  const goldKeys = distinct(gold);
  const predictedKeys = distinct(predicted);
  const counts = new Float64Array(3 * PAIR_EMOTIONS.length);
  for (const [key, emotion] of predictedKeys) {
    if (goldKeys.has(key)) increment(counts, emotion, HITS);
    increment(counts, emotion, PREDICTED);
  }
  for (const emotion of goldKeys.values()) increment(counts, emotion, SUPPORT);
  return counts;
}

/** The scores of added counts. */
export function pairScoresOf(counts: Counts): PairScores {
  const classes = PAIR_EMOTIONS.map((_, i) => ({ hits: counts[3 * i + HITS] ?? 0, support: counts[3 * i + SUPPORT] ?? 0, predicted: counts[3 * i + PREDICTED] ?? 0 }));
  const scores = classes.map(withEpsilon);
  const micro = withEpsilon({
    hits: sum(classes.map(({ hits }) => hits)),
    support: sum(classes.map(({ support }) => support)),
    predicted: sum(classes.map(({ predicted }) => predicted)),
  });
  const weighted = (metric: "precision" | "recall" | "f1"): number =>
    ratio(sum(scores.map((score) => score.support * score[metric])), sum(scores.map(({ support }) => support)));
  return {
    precision: micro.precision,
    recall: micro.recall,
    f1: micro.f1,
    weightedPrecision: weighted("precision"),
    weightedRecall: weighted("recall"),
    weightedF1: weighted("f1"),
    perClass: Object.fromEntries(PAIR_EMOTIONS.flatMap((emotion, i) => (scores[i] === undefined ? [] : [[emotion, scores[i]]]))),
  };
}

const HITS = 0;
const SUPPORT = 1;
const PREDICTED = 2;

/** Neutral pairs have no place and are not counted. */
function increment(counts: Counts, emotion: Emotion, which: number): void {
  const index = PAIR_EMOTIONS.indexOf(emotion);
  if (index >= 0) counts[3 * index + which] = (counts[3 * index + which] ?? 0) + 1;
}

function withEpsilon({ hits, support, predicted }: { readonly hits: number; readonly support: number; readonly predicted: number }): ClassScore {
  const precision = hits / (predicted + EPSILON);
  const recall = hits / (support + EPSILON);
  return { precision, recall, f1: (2 * precision * recall) / (precision + recall + EPSILON), support, predicted };
}

/** Pairs by their full text, which holds the emotion too: equal keys are equal pairs. */
function distinct(pairs: readonly EmotionPair[]): ReadonlyMap<string, Emotion> {
  return new Map(pairs.map(({ emotionUtterance, emotion, causeUtterance }) => [`${emotionUtterance}_${emotion},${causeUtterance}`, emotion]));
}

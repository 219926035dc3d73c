/** @file Emotion-cause pair scores with the counting of SemEval-2024 task 3 (ECAC), subtask 2. */
import { EMOTIONS } from "../data/record.ts";
import type { Emotion } from "../data/record.ts";
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
const PAIR_EMOTIONS: readonly Emotion[] = EMOTIONS.filter((emotion) => emotion !== "neutral");

/**
 * Official scores: a pair is right when both utterances and the emotion are; a pair named twice in a row counts once.
 * Without gold pairs the weighted means are 0 (the official program divides by zero).
 *
 * @see NUSTM/SemEval-2024_ECAC, CodaLab/evaluation/evaluate.py, cal_prf_pair_emocate.
 */
export function pairScores(rows: readonly PairRow[]): PairScores {
  const sets = rows.map(({ gold, predicted }) => ({ gold: distinct(gold), predicted: distinct(predicted) }));
  const counts = PAIR_EMOTIONS.map((emotion) => countsOf(emotion, sets));
  const scores = counts.map(withEpsilon);
  const micro = withEpsilon({
    hits: sum(counts.map(({ hits }) => hits)),
    support: sum(counts.map(({ support }) => support)),
    predicted: sum(counts.map(({ predicted }) => predicted)),
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

interface Counts {
  readonly hits: number;
  readonly support: number;
  readonly predicted: number;
}

function countsOf(emotion: Emotion, rows: readonly { readonly gold: ReadonlyMap<string, Emotion>; readonly predicted: ReadonlyMap<string, Emotion> }[]): Counts {
  const ofEmotion = (pairs: ReadonlyMap<string, Emotion>): string[] => [...pairs].filter(([, name]) => name === emotion).map(([key]) => key);
  return {
    hits: sum(rows.map(({ gold, predicted }) => ofEmotion(predicted).filter((key) => gold.has(key)).length)),
    support: sum(rows.map(({ gold }) => ofEmotion(gold).length)),
    predicted: sum(rows.map(({ predicted }) => ofEmotion(predicted).length)),
  };
}

function withEpsilon({ hits, support, predicted }: Counts): ClassScore {
  const precision = hits / (predicted + EPSILON);
  const recall = hits / (support + EPSILON);
  return { precision, recall, f1: (2 * precision * recall) / (precision + recall + EPSILON), support, predicted };
}

/** Pairs by their full text, which holds the emotion too: equal keys are equal pairs. */
function distinct(pairs: readonly EmotionPair[]): ReadonlyMap<string, Emotion> {
  return new Map(pairs.map(({ emotionUtterance, emotion, causeUtterance }) => [`${emotionUtterance}_${emotion},${causeUtterance}`, emotion]));
}

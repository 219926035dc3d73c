/** @file The answer of cause-pair extraction: `3_surprise,1;3_surprise,2`, or `None.` */
import { EMOTIONS } from "../data/record.ts";
import type { Emotion } from "../data/record.ts";
import type { EmotionPair } from "../metrics/pairs.ts";

/** An emotion without a cause. The paper's file has an empty answer there, which would leave nothing to learn from but the end token. */
const NO_CAUSE = "None.";

/** Pairs in the paper's form, causes ascending. */
export function renderPairs(pairs: readonly EmotionPair[]): string {
  if (pairs.length === 0) return NO_CAUSE;
  return [...pairs]
    .sort((a, b) => a.emotionUtterance - b.emotionUtterance || a.causeUtterance - b.causeUtterance)
    .map(({ emotionUtterance, emotion, causeUtterance }) => `${emotionUtterance}_${emotion},${causeUtterance}`)
    .join(";");
}

/**
 * The distinct pairs of a response: `i_emotion,j` joined by semicolons, in any case, blanks allowed around each pair, a
 * final full stop allowed; `None` is the empty list. 0 is the number of no turn: such a pair is readable, and wrong. Undefined
 * when any piece breaks this grammar.
 */
export function parsePairs(response: string): readonly EmotionPair[] | undefined {
  const answer = response.trim().replace(/\.$/, "").toLowerCase();
  if (answer === "none") return [];
  const pairs = answer.split(";").map(parsePair);
  if (!pairs.every((pair) => pair !== undefined)) return undefined;
  return [...new Map(pairs.map((pair) => [renderPairs([pair]), pair])).values()];
}

function parsePair(piece: string): EmotionPair | undefined {
  const [, emotionUtterance, word, causeUtterance] = /^(0|[1-9]\d{0,5})_([a-z]+),(0|[1-9]\d{0,5})$/.exec(piece.trim()) ?? [];
  const emotion: Emotion | undefined = EMOTIONS.find((name) => name === word);
  return emotion === undefined ? undefined : { emotionUtterance: Number(emotionUtterance), emotion, causeUtterance: Number(causeUtterance) };
}

/** @file The three channels of an utterance (face, voice, words) and the rule that makes the gold emotion of them. */
import { invariant } from "../../core/errors.ts";
import type { Rng } from "../../core/rng.ts";
import { EMOTIONS } from "../record.ts";
import type { Emotion, Polarity, Utterance } from "../record.ts";

export const CHANNELS = ["face", "voice", "words"] as const;
export type Channel = (typeof CHANNELS)[number];

/** What each channel shows. */
export type Shown = Readonly<Record<Channel, Emotion>>;

/** The emotion that at least two of the three channels show; undefined when all three differ. */
export function goldEmotion({ face, voice, words }: Shown): Emotion | undefined {
  if (face === voice || face === words) return face;
  return voice === words ? voice : undefined;
}

/**
 * Channels whose gold emotion is `gold`: 45 % agree, in 40 % one channel shows another emotion (mostly of the opposite
 * valence), in 15 % one channel is flat. So no single channel suffices, and each errs equally often.
 */
export function drawChannels(gold: Emotion, random: Rng): Shown {
  const agreed: Shown = { face: gold, voice: gold, words: gold };
  const pattern = random.uniform();
  const odd = random.pick(CHANNELS);
  const shown = pattern < 0.45 ? agreed : { ...agreed, [odd]: pattern < 0.85 ? conflicting(gold, random) : "neutral" };
  invariant(goldEmotion(shown) === gold, () => `channels ${JSON.stringify(shown)} do not vote for ${gold}`);
  return shown;
}

function polarityOf(emotion: Emotion): Polarity {
  if (emotion === "neutral") return "neutral";
  return VALENCE[emotion] > 0 ? "positive" : "negative";
}

/** MOSEI-like sentiment of an emotion shown with `strength` in 0..1, rounded to tenths. */
export function sentimentOf(emotion: Emotion, strength: number): NonNullable<Utterance["sentiment"]> {
  const score = Math.round(30 * VALENCE[emotion] * (0.34 + 0.66 * strength)) / 10;
  return { score: score === 0 ? 0 : score, polarity: polarityOf(emotion) };
}

const VALENCE = { anger: -0.9, sadness: -0.8, surprise: 0.5, disgust: -0.8, joy: 1, neutral: 0, fear: -0.7 } as const satisfies Record<Emotion, number>;

function conflicting(gold: Emotion, random: Rng): Emotion {
  const others = EMOTIONS.filter((emotion) => emotion !== gold && emotion !== "neutral");
  const opposite = others.filter((emotion) => VALENCE[emotion] * VALENCE[gold] < 0);
  return random.pick(opposite.length > 0 && random.uniform() < 0.8 ? opposite : others);
}

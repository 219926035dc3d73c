/** @file The reason of an emotion (ERI target): face, voice, words, conclusion, in this order and only with what is really there. */
import { invariant } from "../../core/errors.ts";
import type { Rng } from "../../core/rng.ts";
import { cueOf } from "../action-units.ts";
import type { Emotion } from "../record.ts";
import { strongestUnits } from "./expression.ts";
import type { Activations } from "./expression.ts";
import type { Shown } from "./channels.ts";

/** One sentence of about 25 words; the only emotion label in it is the gold one, in the conclusion. */
export function explain({ shown, gold, activations, random }: { shown: Shown; gold: Emotion; activations: Activations; random: Rng }): string {
  const face = `${shown.face === gold ? "" : `${contrast(shown.face)} `}${describeFace(activations)}`;
  const voice = `${shown.voice === gold ? "and" : contrast(shown.voice)} the voice sounds ${VOICE_SOUND[shown.voice]}`;
  const words = `${shown.words === gold ? "and" : contrast(shown.words)} the words are ${WORDS_SOUND[shown.words]}`;
  const conclusion = random.pick(["so the emotion is", "which together points to"]);
  return `In the video, ${face}, ${voice}, ${words}, ${conclusion} ${gold}.`;
}

/** How each emotion's voice sounds; follows the parameters in voice.ts. */
export const VOICE_SOUND = {
  anger: "loud and harsh",
  sadness: "slow and quiet",
  surprise: "high and rising",
  disgust: "low and rough",
  joy: "bright and lively",
  neutral: "flat and even",
  fear: "thin and shaky",
} as const satisfies Record<Emotion, string>;

const WORDS_SOUND = {
  anger: "hostile",
  sadness: "gloomy",
  surprise: "astonished",
  disgust: "repelled",
  joy: "cheerful",
  neutral: "plain",
  fear: "anxious",
} as const satisfies Record<Emotion, string>;

function contrast(shown: Emotion): string {
  return shown === "neutral" ? "while" : "although";
}

function describeFace(activations: Activations): string {
  const [first, second] = strongestUnits(activations);
  if (first === undefined) return "the face of the person stays relaxed and still";
  invariant(second !== undefined, () => `a face with one action unit, ${first}`);
  return `the person shows ${cueOf(first) ?? first} and ${cueOf(second) ?? second}`;
}

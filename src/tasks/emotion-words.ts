/** @file Which emotion a free text names. */
import { EMOTIONS } from "../data/record.ts";
import type { Emotion } from "../data/record.ts";

const FORMS = {
  anger: ["anger", "angry", "angrily", "angered"],
  sadness: ["sadness", "sad", "sadly", "saddened", "unhappy", "unhappiness"],
  surprise: ["surprise", "surprised", "surprising", "surprisingly"],
  disgust: ["disgust", "disgusted", "disgusting"],
  joy: ["joy", "joyful", "joyfully", "joyous", "happy", "happily", "happiness"],
  neutral: ["neutral", "neutrality", "neutrally"],
  fear: ["fear", "fearful", "fearfully", "afraid", "scared", "frightened"],
} as const satisfies Record<Emotion, readonly string[]>;

const emotionByForm: ReadonlyMap<string, Emotion> = new Map(EMOTIONS.flatMap((name) => FORMS[name].map((form) => [form, name] as const)));

/**
 * The emotion whose word (noun, adjective or adverb) comes last: rationales go from cues to the conclusion. Only whole
 * words count, in any case; negation is not understood. Undefined when no such word occurs.
 */
export function emotionNamed(text: string): Emotion | undefined {
  const words = text.toLowerCase().match(/[a-z]+/g) ?? [];
  return words.flatMap((word) => emotionByForm.get(word) ?? []).at(-1);
}

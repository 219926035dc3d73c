/** @file What a model is asked about an utterance, and what of its answer can be taken. */
import type { Utterance } from "../data/record.ts";
import { emotionNamed } from "../tasks/emotion-words.ts";

/** MERR's longest rationale has 79 words, the mean 45. */
const MOST_WORDS = 80;

/** An utterance with all that a rationale is made of. */
export type Explained = Utterance & { readonly emotion: NonNullable<Utterance["emotion"]> };

/** Whether there are an emotion and a cue for it: a face or words. */
export function isExplainable(utterance: Utterance): utterance is Explained {
  return utterance.emotion !== undefined && (utterance.text.trim() !== "" || (utterance.expression ?? []).length > 0);
}

/**
 * Cues and conclusion, for a rationale in the paper's order: face, what it suggests, words, conclusion. Neither speaker nor
 * other turns are told: whoever is trained on the answer sees one clip and its words.
 */
export function renderPrompt({ emotion, text, expression = [], sentiment }: Explained): string {
  const words = text.trim().replace(/\s+/g, " ");
  const cues = [
    ...(expression.length === 0 ? [] : [`Face: ${expression.join("; ")}`]),
    ...(words === "" ? [] : [`Words: ${JSON.stringify(words)}`]),
    ...(words === "" || sentiment === undefined ? [] : [`Sentiment of the words: ${sentiment.polarity}`]),
    `Emotion: ${emotion}`,
  ];
  return `A person in a short video shows an emotion. Write why it is this emotion, from these cues alone:

${cues.join("\n")}

Begin with "In the video,". Keep to this order and leave out what no cue covers: what the face shows, what that suggests, what the words convey, the conclusion. The conclusion names the emotion with the word "${emotion}", and no emotion is named after it. Invent nothing: no place, no voice, no other people. About 40 words, on one line. Answer with this text alone.`;
}

/** What is said to a model whose answer was not taken. */
export function renderCorrection(why: string): string {
  return `This cannot be used: ${why}. Write it again by the same rules.`;
}

/** The rationale without what models put around it, or why it is not one. */
export function checkAnswer({ text, finish }: { readonly text: string; readonly finish: string | undefined }, { emotion }: Explained): { readonly reason: string } | { readonly why: string } {
  const reason = unwrapped(text);
  const words = reason.split(/\s+/).length;
  const named = emotionNamed(reason);
  if (finish === "length") return { why: "it was cut off by the limit of tokens" };
  if (finish === "content_filter") return { why: "the server's content filter withheld it" };
  if (reason === "") return { why: "it is empty" };
  if (/[\r\n]/.test(reason)) return { why: "it has several lines, expected one" };
  if (words > MOST_WORDS) return { why: `it has ${words} words, expected at most ${MOST_WORDS}` };
  if (named !== emotion) return { why: `the emotion it concludes with is ${named ?? "none"}, expected ${emotion}` };
  return { reason };
}

/** Without the thoughts that some servers leave in, and without quotation marks around all of it. */
function unwrapped(text: string): string {
  const answer = text.replace(/^\s*<think>[\s\S]*?<\/think>/, "").trim();
  return (/^"([^"]*)"$/.exec(answer)?.[1] ?? answer).trim();
}

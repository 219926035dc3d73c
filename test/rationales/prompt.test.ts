import { expect, test } from "vitest";
import { EMOTIONS } from "../../src/data/record.ts";
import { checkAnswer, isExplainable, renderPrompt } from "../../src/rationales/prompt.ts";
import type { Explained } from "../../src/rationales/prompt.ts";
import { JOY } from "./stub-server.ts";

const WON: Explained = { ...JOY, emotion: "joy" };

test("the prompt holds the cues in the paper's order and no cue that is not there", () => {
  const prompt = renderPrompt({ ...WON, text: ' We\n"won"! ' });

  expect(prompt).toContain('\n\nFace: Big smile; Eyes narrowing\nWords: "We \\"won\\"!"\nSentiment of the words: positive\nEmotion: joy\n\nBegin with "In the video,".');
  expect(renderPrompt({ id: "u", text: "", emotion: "fear", sentiment: { polarity: "negative" }, expression: ["Eyes widened"] })).toContain("these cues alone:\n\nFace: Eyes widened\nEmotion: fear\n\n");
  expect(renderPrompt({ id: "u", text: "Oh.", emotion: "fear" })).toContain('alone:\n\nWords: "Oh."\nEmotion: fear\n\n');
});

test("an emotion and words or a face are needed", () => {
  expect(isExplainable(JOY)).toBe(true);
  expect(isExplainable({ id: "u", text: "Oh.", emotion: "joy" })).toBe(true);
  expect(isExplainable({ id: "u", text: "", emotion: "joy", expression: ["Big smile"] })).toBe(true);
  expect(isExplainable({ id: "u", text: " ", emotion: "joy", sentiment: { polarity: "positive" }, expression: [] })).toBe(false);
  expect(isExplainable({ id: "u", text: "Oh." })).toBe(false);
});

test("an answer is taken without thoughts and quotation marks, with any form of the emotion's word", () => {
  const take = (text: string): unknown => checkAnswer({ text, finish: "stop" }, WON);

  expect(take(' "In the video, she is happy." \n')).toEqual({ reason: "In the video, she is happy." });
  expect(take("<think>\nanger? no\n</think>\n\nIn the video, not sad but joyful.")).toEqual({ reason: "In the video, not sad but joyful." });
  expect(take('"We won" and "yes" show joy.')).toEqual({ reason: '"We won" and "yes" show joy.' });
  expect(take(`${"so ".repeat(79)}joy`)).toMatchObject({ reason: expect.stringMatching(/joy$/) });
  for (const emotion of EMOTIONS) expect(checkAnswer({ text: `It is ${emotion}.`, finish: undefined }, { ...WON, emotion })).toEqual({ reason: `It is ${emotion}.` });
});

test.each([
  ["", "stop", "it is empty"],
  ["<think>hm</think>", "stop", "it is empty"],
  ["In the video, joy", "length", "it was cut off by the limit of tokens"],
  ["", "content_filter", "the server's content filter withheld it"],
  ["Here it is:\nIn the video, joy.", "stop", "it has several lines, expected one"],
  [`${"so ".repeat(80)}joy`, "stop", "it has 81 words, expected at most 80"],
  ["In the video, joy turns to anger.", "stop", "the emotion it concludes with is anger, expected joy"],
  ["In the video, the person smiles.", "stop", "the emotion it concludes with is none, expected joy"],
])("the answer %j (%s) is not taken", (text, finish, why) => {
  expect(checkAnswer({ text, finish }, WON)).toEqual({ why });
});

import { expect, test } from "vitest";
import { z } from "zod";
import { emotion } from "../../src/tasks/emotion.ts";
import { PAPER_FORM } from "../../src/tasks/prompt-form.ts";
import { parseExpected, vectorTest } from "../metrics/official-vectors.ts";
import { conversation, recordOf, renderPrompt, rows, sampleWith, utterance } from "./support.ts";

test("the emotion prompt is the paper's", () => {
  const [sample] = emotion.samples(recordOf(utterance));

  expect(sample && renderPrompt(sample)).toBe(
    "[clip dia3_utt1]The person says: 'Oh my God, he's lost it.'| <emotion> Please determine which emotion label in the video represents: anger, sadness, surprise, disgust, joy, neutral or fear.",
  );
  expect(sample).toMatchObject({ id: "dia3_utt1:erc", target: "Sadness." });
});

test("with the dialogue in front every turn is shown without its label, and a branch names its own turn once more", () => {
  const samples = emotion.samples(conversation, { ...PAPER_FORM, emotionPrompt: "dialogue" });
  const prefix = "Below is a conversation containing multiple utterances from different speakers.\nInput conversation:1. Joey: I got the part!\n2. Ross: Oh.\n3. What?\n";
  const question = "<emotion> Please determine which emotion label in the video represents: anger, sadness, surprise, disgust, joy, neutral or fear.";

  expect(samples.map((sample) => renderPrompt(sample))).toEqual([
    `${prefix}|[clip dia7_utt1]Target utterance:1. Joey: I got the part!\n${question}`,
    `${prefix}|Target utterance:2. Ross: Oh.\n${question}`,
    `${prefix}|Target utterance:3. What?\n${question}`,
  ]);
  expect(samples.map(({ id, unit, target }) => [id, unit, target])).toEqual([
    ["dia7_utt1:erc", "dia7_utt1", "Joy."],
    ["dia7_utt2:erc", "dia7_utt2", "Neutral."],
    ["dia7_utt3:erc", "dia7_utt3", "Surprise."],
  ]);
  expect(new Set(samples.map(({ prefixKey }) => prefixKey))).toEqual(new Set(["\ndialogue:dia7"]));
});

test("the seven answers stand in the paper's order and parse to themselves", () => {
  expect(emotion.answers).toEqual(["Anger.", "Sadness.", "Surprise.", "Disgust.", "Joy.", "Neutral.", "Fear."]);
  expect(emotion.answers?.map(emotion.parse)).toEqual(emotion.answers);
});

test("unlabelled utterances give no emotion sample, neutral ones do", () => {
  const samples = emotion.samples(recordOf({ id: "a", text: "" }, { id: "b", text: "", emotion: "neutral" }));

  expect(samples.map(({ id, target }) => [id, target])).toEqual([["b:erc", "Neutral."]]);
});

test.each([
  ["fear", "Fear."],
  ["JOY.", "Joy."],
  ["Happy.", undefined],
  ["angry", undefined],
  ["joy, fear", undefined],
])("the emotion answer %j parses to %j", (response, answer) => {
  expect(emotion.parse(response)).toBe(answer);
});

test("emotion scores by hand on five rows, one of them unparsed", () => {
  const scores = emotion.score(rows(["Joy.", "Joy."], ["Joy.", "Anger."], ["Anger.", "Anger."], ["Anger.", "who knows"], ["Anger.", "Anger."]));

  expect(scores.metrics).toEqual({ accuracy: 3 / 5, weightedF1: expect.closeTo(2 / 3, 12), macroF1: expect.closeTo(2 / 3, 12) });
  expect(scores.parseFailures).toBe(1);
  expect(scores.confusion?.labels).toEqual(["anger", "sadness", "surprise", "disgust", "joy", "neutral", "fear", "unparsed"]);
  expect(scores.confusion?.counts[0]).toEqual([2, 0, 0, 0, 0, 0, 0, 1]);
  expect(scores.perClass?.["joy"]).toMatchObject({ precision: 1, recall: 0.5, support: 2 });
});

test("no predictions give zeros", () => {
  expect(emotion.score([]).metrics).toEqual({ accuracy: 0, weightedF1: 0, macroF1: 0 });
});

test("the majority baseline has the weighted F1 of a constant answer", () => {
  const train = ["Neutral.", "Neutral.", "Joy."].map((target) => sampleWith(target));
  const test = ["Neutral.", "Joy.", "Neutral.", "Fear."].map((target) => sampleWith(target));

  // Neutral: precision 1/2, recall 1, F1 2/3 with half of the support.
  expect(emotion.baselines({ train, test })["majority"]?.metrics).toMatchObject({ accuracy: 0.5, weightedF1: expect.closeTo(1 / 3, 12) });
});

vectorTest("the paper's script gives the same accuracy and weighted F1", ["metrics/m2se_emotion.jsonl", "metrics/expected.json"], ([jsonl = "", expected = ""]) => {
  const official = parseExpected(expected)["m2se_emotion.jsonl"];
  const row = z.object({ response: z.string(), label: z.string() });
  const renamed = jsonl.replaceAll("Happy.", "Joy.").trim().split("\n").map((line) => row.parse(JSON.parse(line)));

  const { metrics } = emotion.score(rows(...renamed.map(({ label, response }) => [label, response] as const)));

  const [accuracy, weightedF1] = official["compute_result.emoverse_emotion stdout"].map(Number);
  expect(renamed).toHaveLength(official.records);
  expect(metrics["accuracy"]).toBeCloseTo(accuracy ?? NaN, 12);
  expect(metrics["weightedF1"]).toBeCloseTo(weightedF1 ?? NaN, 12);
});

vectorTest("the majority baseline on MELD test has the known scores", ["meld/test_sent_emo.csv"], ([csv = ""]) => {
  // Counts of the released test file: neutral 1256 of 2610, accuracy 48.12 %, weighted F1 31.27 %.
  const labels = [...csv.matchAll(/,(anger|sadness|surprise|disgust|joy|neutral|fear),(?:positive|negative|neutral),/g)].map(([, label = ""]) => `${label.charAt(0).toUpperCase()}${label.slice(1)}.`);
  const samples = labels.map((target) => sampleWith(target));

  const { majority } = emotion.baselines({ train: samples, test: samples });

  expect(labels).toHaveLength(2610);
  expect(majority?.metrics).toMatchObject({ accuracy: expect.closeTo(0.4812, 4), weightedF1: expect.closeTo(0.3127, 4) });
});

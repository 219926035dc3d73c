import { expect, test } from "vitest";
import { emotionNamed } from "../../src/tasks/emotion-words.ts";
import { emotionReason } from "../../src/tasks/emotion-reason.ts";
import { recordOf, renderPrompt, rows, sampleWith, utterance } from "./support.ts";

test("the reason prompt is the paper's", () => {
  const [sample] = emotionReason.samples(recordOf(utterance));

  expect(sample && renderPrompt(sample)).toBe(
    "[clip dia3_utt1]The person says: 'Oh my God, he's lost it.'| <reason> What is the emotional state of the person in the video? Please tell me the reason.",
  );
  expect(sample).toMatchObject({ id: "dia3_utt1:eri", target: "In the video, the lips point down, so she feels sad." });
  expect(emotionReason.samples(recordOf({ id: "b", text: "" }))).toEqual([]);
});

test.each([
  ["Her words sound joyful, but the voice shows sadness.", "sadness"],
  ["he is ANGRY", "anger"],
  ["anger, then surprised", "surprise"],
  ["She looks disgusted", "disgust"],
  ["so he is happy!", "joy"],
  ["a neutral state.", "neutral"],
  ["he is afraid", "fear"],
  ["an unhappy man", "sadness"],
  ["the fearless saddle", undefined],
  ["", undefined],
])("the emotion named by %j is %j", (reason, named) => {
  expect(emotionNamed(reason)).toBe(named);
});

test("any text but an empty one is a reason", () => {
  expect(emotionReason.parse("  because \n")).toBe("because");
  expect(emotionReason.parse(" \n")).toBeUndefined();
});

test("reason scores by hand on five rows: one empty answer, one reference without an emotion", () => {
  const scores = emotionReason.score(
    rows(
      ["a wide smile , so she is happy", "a wide smile , so she is happy"],
      ["a low voice , so he is sad", "a low voice , so he is angry"],
      ["joy at first , but now fear", "he is afraid"],
      ["he is angry", ""],
      ["the lips point down", "the lips point up , surprise"],
    ),
  );

  expect(scores.parseFailures).toBe(1);
  // Named: happy = joy right, angry for sad wrong, afraid = fear right, nothing for angry wrong.
  expect(scores.metrics["emotionAccuracy"]).toBe(2 / 4);
  expect(scores.metrics["namingReferences"]).toBe(4 / 5);
  // Common words in order: 8 of 8 and 8; 7 of 8 and 8; 0; 0; 3 of 4 and 6.
  expect(scores.metrics["rougeL"]).toBeCloseTo((1 + 14 / 16 + 0 + 0 + 6 / 10) / 5, 12);
  // sacrebleu 2.6.0 on the same five rows
  expect(scores.metrics["bleu4"]).toBeCloseTo(0.5796957137950618, 12);
});

test("no predictions give zeros", () => {
  expect(emotionReason.score([]).metrics).toEqual({ emotionAccuracy: 0, rougeL: 0, bleu4: 0, namingReferences: 0 });
});

test("the majority baseline is the most frequent reason of the most frequent emotion", () => {
  // "so angry" is the most frequent text, sadness the most frequent emotion.
  const train = ["so angry", "so angry", "tears , so sad", "low , so sad", "low , so sad"].map((target) => sampleWith(target));

  const { majority } = emotionReason.baselines({ train, test: [sampleWith("low , so sad"), sampleWith("so angry")] });

  expect(majority?.metrics).toMatchObject({ emotionAccuracy: 1 / 2, rougeL: expect.closeTo((1 + 2 / 6) / 2, 12) });
});

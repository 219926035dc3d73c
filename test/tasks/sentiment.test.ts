import { expect, test } from "vitest";
import { z } from "zod";
import { sentiment } from "../../src/tasks/sentiment.ts";
import { parseExpected, vectorTest } from "../metrics/official-vectors.ts";
import { recordOf, renderPrompt, rows, sampleWith, utterance } from "./support.ts";

const [sample] = sentiment.samples(recordOf(utterance));

test("the sentiment prompt is the paper's, clip and words first", () => {
  expect(sample && renderPrompt(sample)).toBe(
    "[clip dia3_utt1]The person says: 'Oh my God, he's lost it.'| <sentiment> Please determine which sentiment label in the video represents: positive or negative.",
  );
  expect(sample).toMatchObject({ id: "dia3_utt1:msa", task: "msa", recordId: "dia3", unit: "dia3_utt1", target: "Negative." });
});

test("without the text modality only the words vanish", () => {
  expect(sample && renderPrompt(sample, { transcripts: "left out" })).toMatch(/^\[clip dia3_utt1\]The person says: ''\| <sentiment> /);
});

test("an utterance without media has a prompt without a clip", () => {
  const [spoken] = sentiment.samples(recordOf({ id: "u", text: "Fine.", sentiment: { polarity: "positive" } }));

  expect(spoken && renderPrompt(spoken)).toMatch(/^The person says: 'Fine.'\| <sentiment> /);
  expect(spoken?.target).toBe("Positive.");
});

test("neutral and unlabelled clips give no sentiment sample", () => {
  const neutral = { ...utterance, id: "b", sentiment: { polarity: "neutral" as const } };

  expect(sentiment.samples(recordOf(neutral, { id: "c", text: "" }))).toEqual([]);
});

test.each([
  ["Positive.", "Positive."],
  [" negative ", "Negative."],
  ["NEGATIVE", "Negative."],
  ["Neutral.", undefined],
  ["Positive. Negative.", undefined],
  ["It is positive.", undefined],
  ["Positive..", undefined],
  ["", undefined],
])("the sentiment answer %j parses to %j", (response, answer) => {
  expect(sentiment.parse(response)).toBe(answer);
});

test("every closed answer parses to itself", () => {
  expect(sentiment.answers).toEqual(["Positive.", "Negative."]);
  expect(sentiment.answers?.map(sentiment.parse)).toEqual(sentiment.answers);
});

test("sentiment scores by hand on five rows, one of them unparsed", () => {
  const scores = sentiment.score(rows(["Positive.", "Positive."], ["Positive.", "negative"], ["Negative.", "Negative."], ["Negative.", "no idea"], ["Negative.", "Negative"]));

  expect(scores.parseFailures).toBe(1);
  expect(scores.metrics).toEqual({
    accuracy: 3 / 5,
    recallPositive: 1 / 2,
    recallNegative: 2 / 3,
    weightedF1: expect.closeTo(2 / 3, 12),
    macroF1: expect.closeTo(2 / 3, 12),
  });
});

test("no predictions give zeros", () => {
  expect(sentiment.score([])).toMatchObject({ metrics: { accuracy: 0, recallPositive: 0, recallNegative: 0, weightedF1: 0, macroF1: 0 }, parseFailures: 0 });
});

test("a file of another task is refused, its gold answers named", () => {
  expect(() => sentiment.score(rows(["Joy.", "Joy."], ["Positive.", "Positive."]))).toThrow(
    'DataError prediction row0: the gold answer "Joy." is no answer of this task (1 such row).\n  Write the predictions file again with m2se eval.',
  );
});

test("the majority baseline answers the most frequent training label", () => {
  const train = ["Negative.", "Positive.", "Positive."].map((target) => sampleWith(target));
  const test = ["Positive.", "Negative.", "Positive.", "Positive."].map((target) => sampleWith(target));

  expect(sentiment.baselines({ train, test })["majority"]?.metrics).toMatchObject({ accuracy: 3 / 4, recallPositive: 1, recallNegative: 0 });
  expect(sentiment.baselines({ train: [], test })).toEqual({});
});

vectorTest("the paper's script, which wants the exact string, gives the same accuracy and recalls", ["metrics/m2se_sentiment.jsonl", "metrics/expected.json"], ([jsonl = "", expected = ""]) => {
  const official = parseExpected(expected)["m2se_sentiment.jsonl"];
  const row = z.object({ response: z.string(), label: z.string() });
  const all = jsonl.trim().split("\n").map((line) => row.parse(JSON.parse(line)));
  const polar = all.filter(({ label }) => label !== "Neutral.");

  const isExact = (response: string): boolean => sentiment.answers?.includes(response) === true;

  const { metrics } = sentiment.score(rows(...polar.map(({ label, response }) => [label, isExact(response) ? response : "?"] as const)));

  expect(all).toHaveLength(official.records);
  expect([`${metrics["recallPositive"]} ${metrics["recallNegative"]}`, String(metrics["accuracy"])]).toEqual(official["compute_result.emoverse_sentiment stdout"]);
});

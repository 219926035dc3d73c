import { readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readPredictions, writePredictions } from "../../src/eval/predictions.ts";
import type { Prediction } from "../../src/eval/predictions.ts";
import { scorePredictions } from "../../src/eval/score.ts";
import type { ScoreInput } from "../../src/eval/score.ts";
import { sampleWith } from "../tasks/support.ts";
import { temporaryFolder } from "../temporary-folder.ts";

const predictions: Prediction[] = [
  { id: "a:msa", task: "msa", gold: "Positive.", response: "Positive.", parsed: "Positive.", scores: { "Positive.": -0.1, "Negative.": -2.5 }, seconds: 0.25 },
  { id: "b:msa", task: "msa", gold: "Negative.", response: "what?", seconds: 0.5 },
  { id: "c:msa", task: "msa", gold: "Positive.", response: "negative", parsed: "Negative." },
];

const input: ScoreInput = {
  split: "test",
  decode: "score",
  checkpoint: "stage-2/step-000200",
  train: [sampleWith("Negative.", "t1"), sampleWith("Positive.", "t2"), sampleWith("Positive.", "t3")],
  test: [sampleWith("Positive.", "a:msa"), sampleWith("Negative.", "b:msa"), sampleWith("Positive.", "c:msa")],
};

test("scores of a predictions file by hand, baselines beside them", () => {
  const scores = scorePredictions("msa", predictions, input);

  expect(scores).toEqual({
    task: "msa",
    split: "test",
    n: 3,
    decode: "score",
    protocol: "m2se",
    counting: expect.stringContaining("neutral clips left out"),
    intervals: expect.objectContaining({ accuracy: [0, 1] }),
    bootstrap: { unit: "record", units: 3, resamples: 1000, seed: 1, level: 0.95 },
    metrics: { accuracy: 1 / 3, recallPositive: 1 / 2, recallNegative: 0, weightedF1: expect.closeTo((2 / 3) * (2 / 3), 12), macroF1: expect.closeTo(1 / 3, 12) },
    perClass: {
      positive: { precision: 1, recall: 0.5, f1: 2 / 3, support: 2, predicted: 1 },
      negative: { precision: 0, recall: 0, f1: 0, support: 1, predicted: 1 },
    },
    parseFailures: 1,
    baselines: { majority: { accuracy: 2 / 3, recallPositive: 1, recallNegative: 0, weightedF1: expect.closeTo((2 / 3) * 0.8, 12), macroF1: expect.closeTo(0.4, 12) } },
    checkpoint: "stage-2/step-000200",
    seconds: 0.75,
  });
});

test("the written file is read back as it was, and scores of what is read are the same", async () => {
  const path = join(await temporaryFolder(), "msa.predictions.jsonl");

  await writePredictions(path, predictions);
  const read = await readPredictions(path);

  expect(read).toEqual(predictions);
  expect((await readFile(path, "utf8")).split("\n")).toHaveLength(4);
  expect(scorePredictions("msa", read, input)).toEqual(scorePredictions("msa", predictions, input));
});

test("writing leaves no temporary file", async () => {
  const folder = await temporaryFolder();

  await writePredictions(join(folder, "msa.predictions.jsonl"), predictions);

  expect(await readdir(folder)).toEqual(["msa.predictions.jsonl"]);
});

test("a confusion matrix reaches the scores file", () => {
  const one = { ...input, train: [], test: [sampleWith("Joy.", "x:erc")] };

  expect(scorePredictions("erc", [{ id: "x:erc", gold: "Joy.", response: "Fear." }], one)).toMatchObject({ confusion: { labels: expect.arrayContaining(["joy"]) }, baselines: {} });
});

test("predictions that are not those of the samples are refused", () => {
  const [first, second] = predictions;
  const changed = [{ ...first!, gold: "Negative." }, { ...second!, id: "z:msa" }];

  expect(() => scorePredictions("msa", changed, input)).toThrow(
    [
      'DataError prediction a:msa: got the gold answer "Negative.", but the dataset says "Positive.".',
      "  Write the predictions file again with m2se eval.",
      "DataError prediction z:msa: the dataset has no such sample of msa.",
      "  Write the predictions file again with m2se eval.",
      "DataError sample b:msa: no prediction of msa for it.",
      "  Write the predictions file again with m2se eval.",
      "DataError sample c:msa: no prediction of msa for it.",
      "  Write the predictions file again with m2se eval.",
    ].join("\n"),
  );
});

test("many wrong rows are counted, not all listed", () => {
  const test = Array.from({ length: 8 }, (_, i) => sampleWith("Positive.", `s${i}`));

  expect(() => scorePredictions("msa", [], { ...input, test })).toThrow("DataError predictions of msa: 3 more such rows, 8 in all.");
});

test("every bad line of a predictions file is named with its line and field", async () => {
  const path = join(await temporaryFolder(), "msa.predictions.jsonl");
  const line = JSON.stringify(predictions[0]);
  await writeFile(path, [line, line, '{"id":"d:msa","task":"mas","gold":"Positive.","response":"","extra":1}', '{"id":"e:erc","task":"erc","gold":"Joy.","response":"Joy."}', '{"id":"f:ms'].join("\n"));

  const message = await readPredictions(path).then(
    () => "no error",
    (error: unknown) => String(error),
  );

  expect(message).toContain(`${path}:2: sample "a:msa" is predicted twice, first in ${path}:1`);
  expect(message).toMatch(/:3: .*task: got "mas", expected one of msa, erc, fer, eri, ecpe/);
  expect(message).toMatch(/:3: .*unknown field "extra"/);
  expect(message).toContain(`${path}:4: got a prediction of erc in a file of msa`);
  expect(message).toMatch(/:5: this line is not JSON/);
});

test("a missing and an empty predictions file are user errors", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "empty.jsonl"), "\n");

  await expect(readPredictions(join(folder, "empty.jsonl"))).rejects.toThrow("no predictions in this file");
  await expect(readPredictions(join(folder, "none.jsonl"))).rejects.toThrow(/SystemError .*none\.jsonl: no such file or folder/);
});

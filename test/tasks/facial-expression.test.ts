import { expect, test } from "vitest";
import { facialExpression } from "../../src/tasks/facial-expression.ts";
import { recordOf, renderPrompt, rows, sampleWith, utterance } from "./support.ts";

test("the facial expression prompt and answer are the paper's", () => {
  const [sample] = facialExpression.samples(recordOf(utterance));

  expect(sample && renderPrompt(sample)).toBe(
    "[clip dia3_utt1]The person says: 'Oh my God, he's lost it.'| <expression> Detail the facial expressions used in the image.",
  );
  expect(sample).toMatchObject({ id: "dia3_utt1:fer", target: "Slightly lower eyebrows; Slight frown" });
});

test("a face without phrases gives no sample", () => {
  expect(facialExpression.samples(recordOf({ ...utterance, expression: [] }, { id: "b", text: "" }))).toEqual([]);
});

test("a phrase of no action unit is refused with its utterance", () => {
  expect(() => facialExpression.samples(recordOf({ ...utterance, expression: ["Eyes narrowing", "Ears flapping"] }))).toThrow(
    'DataError record dia3, utterance dia3_utt1, expression: the phrase "Ears flapping" belongs to no action unit.\n  Use the phrases of src/data/action-units.json',
  );
});

test.each([
  ["Eyes narrowing; Slightly puzzled", "AU06; AU25"],
  ["slightly puzzled;EYES NARROWING.", "AU06; AU25"],
  ["smile, Pleasure; Cheek Raiser", "AU06"],
  ["Eyes narrowing; Ears flapping", undefined],
  ["Eyes narrowing;", undefined],
  ["Eyes narrowing, Slightly puzzled", undefined],
  ["", undefined],
])("the expression answer %j parses to %j", (response, answer) => {
  expect(facialExpression.parse(response)).toBe(answer);
});

const five = rows(
  ["Eyes narrowing; Slightly puzzled", "Lips part; Cheek Raiser"], // 2 of 2 and 2: other phrases, same units
  ["Big smile; Lips part", "Big smile; Jaw Drop"], // 1 of 2 and 2
  ["Eyebrow raised", "a strange face"], // unparsed: 0 of 0 and 1
  ["Lower eyebrows; Eyes widened", "Lower eyebrows"], // 1 of 1 and 2
  ["Downturned lips", "Big smile"], // 0 of 1 and 1
);

test("expression scores by hand on five rows, one of them unparsed", () => {
  const scores = facialExpression.score(five);

  expect(scores.parseFailures).toBe(1);
  expect(scores.metrics).toEqual({
    precision: 4 / 6,
    recall: 4 / 8,
    f1: 8 / 14,
    sampleF1: expect.closeTo((1 + 1 / 2 + 0 + 2 / 3 + 0) / 5, 12),
    exactMatch: 1 / 5,
  });
  expect(scores.perClass?.["AU12"]).toMatchObject({ precision: 1 / 2, recall: 1, support: 1 });
});

test("no predictions give zeros", () => {
  expect(facialExpression.score([])).toMatchObject({ metrics: { precision: 0, recall: 0, f1: 0, sampleF1: 0, exactMatch: 0 }, parseFailures: 0 });
});

test("baselines: the most frequent set, and the constant set with the highest F1 on the training samples", () => {
  // Units: AU04 in 4 of 5, AU05 in 3, AU12 in 2. The most frequent whole set is AU12 alone.
  const train = ["Big smile", "Lower eyebrows; Eyes widened; Lips part", "Lower eyebrows; Eyes widened", "Lower eyebrows; Eyes widened; Jaw Drop", "Big smile", "Lower eyebrows"];
  const test = [sampleWith("Lower the brow; Eyes widened"), sampleWith("Big smile")];

  const { majority, bestConstantSet } = facialExpression.baselines({ train: train.map((target) => sampleWith(target)), test });

  // {AU04}: 2*4/(6+11); {AU04, AU05}: 2*7/(12+11); {AU04, AU05, AU12}: 2*9/(18+11) is the largest.
  expect(majority?.metrics).toMatchObject({ precision: 1 / 2, recall: 1 / 3, exactMatch: 1 / 2 });
  expect(bestConstantSet?.metrics).toMatchObject({ precision: 3 / 6, recall: 1, f1: 6 / 9 });
});

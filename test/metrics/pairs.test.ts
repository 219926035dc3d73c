import { expect, test } from "vitest";
import { z } from "zod";
import { EMOTIONS } from "../../src/data/record.ts";
import type { Emotion } from "../../src/data/record.ts";
import { pairScores } from "../../src/metrics/pairs.ts";
import type { EmotionPair, PairScores } from "../../src/metrics/pairs.ts";
import { parseExpected, vectorTest } from "./official-vectors.ts";

function pair(emotionUtterance: number, emotion: Emotion, causeUtterance: number): EmotionPair {
  return { emotionUtterance, emotion, causeUtterance };
}

const rows = [
  { gold: [pair(3, "joy", 1), pair(3, "joy", 3)], predicted: [pair(3, "joy", 1), pair(3, "joy", 2), pair(3, "joy", 1)] },
  { gold: [pair(4, "anger", 2)], predicted: [pair(4, "joy", 2)] },
  { gold: [pair(1, "sadness", 1)], predicted: [pair(1, "sadness", 1)] },
  { gold: [], predicted: [pair(2, "joy", 2), pair(2, "neutral", 1)] },
  { gold: [pair(5, "joy", 4)], predicted: [] },
];

test("pair scores by hand on five rows: duplicates once, the emotion must match, neutral predictions are free", () => {
  // joy: 1 right of 4 predicted (3,1 3,2 4,2 2,2) and 3 gold; sadness: 1 of 1 and 1; anger: 0 of 0 and 1.
  const scores = pairScores(rows);

  expect(scores.precision).toBeCloseTo(2 / 5, 7);
  expect(scores.recall).toBeCloseTo(2 / 5, 7);
  expect(scores.f1).toBeCloseTo(2 / 5, 7);
  expect(scores.weightedPrecision).toBeCloseTo((3 * (1 / 4) + 1) / 5, 7);
  expect(scores.weightedRecall).toBeCloseTo((3 * (1 / 3) + 1) / 5, 7);
  expect(scores.weightedF1).toBeCloseTo((3 * (2 / 7) + 1) / 5, 7);
  expect(scores.perClass["joy"]).toMatchObject({ support: 3, predicted: 4 });
  expect(Object.keys(scores.perClass)).toHaveLength(6);
});

test("equal pairs of different rows do not match each other", () => {
  const scores = pairScores([
    { gold: [pair(1, "joy", 1)], predicted: [] },
    { gold: [], predicted: [pair(1, "joy", 1)] },
  ]);

  expect(scores.f1).toBe(0);
});

test("no rows and no gold pairs give zeros", () => {
  const zero = { precision: 0, recall: 0, f1: 0, weightedPrecision: 0, weightedRecall: 0, weightedF1: 0 };

  expect(pairScores([])).toMatchObject(zero);
  expect(pairScores([{ gold: [], predicted: [pair(1, "joy", 1)] }])).toMatchObject(zero);
});

const conversations = z.array(z.object({ conversation_ID: z.coerce.number(), "emotion-cause_pairs": z.array(z.tuple([z.string(), z.coerce.number()])) }));

/** Conversations of the official layout as rows; what the official program ignores (foreign conversations) is left out. */
function officialRows(gold: unknown, predicted: unknown): { gold: EmotionPair[]; predicted: EmotionPair[] }[] {
  const byId = new Map(conversations.parse(predicted).map((conversation) => [conversation.conversation_ID, toPairs(conversation)]));
  return conversations.parse(gold).map((conversation) => ({ gold: toPairs(conversation), predicted: byId.get(conversation.conversation_ID) ?? [] }));
}

function toPairs({ "emotion-cause_pairs": pairs }: z.infer<typeof conversations>[number]): EmotionPair[] {
  return pairs.map(([head, cause]) => {
    const [index = "", word] = head.replace("U", "").split("_");
    return pair(Number(index), z.enum(EMOTIONS).parse(word), cause);
  });
}

function expectOfficial(scores: PairScores, official: Readonly<Record<string, number>>): void {
  expect(scores.precision).toBeCloseTo(official["precision_pair"] ?? NaN, 12);
  expect(scores.recall).toBeCloseTo(official["recall_pair"] ?? NaN, 12);
  expect(scores.f1).toBeCloseTo(official["f1_pair"] ?? NaN, 12);
  expect(scores.weightedPrecision).toBeCloseTo(official["weighted_precision"] ?? NaN, 12);
  expect(scores.weightedRecall).toBeCloseTo(official["weighted_recall"] ?? NaN, 12);
  expect(scores.weightedF1).toBeCloseTo(official["weighted_f1"] ?? NaN, 12);
}

vectorTest(
  "the official scores of a real submission to SemEval-2024 are reproduced",
  ["ecf/Subtask_2_test.json", "metrics/ecac_subtask2_pred_A.json", "metrics/expected.json"],
  ([gold = "", predicted = "", expected = ""]) => {
    const official = officialRows(JSON.parse(gold), JSON.parse(predicted));

    expect(official).toHaveLength(341);
    expectOfficial(pairScores(official), parseExpected(expected)["ecac_subtask2_pred_A.json"].official);
  },
);

vectorTest("the official program's edge cases are reproduced", ["metrics/expected.json"], ([json = ""]) => {
  const scored = Object.values(parseExpected(json).ecac_edge_cases).flatMap(({ gold, pred, expected }) =>
    "f1_pair" in expected ? [{ rows: officialRows(gold, pred), expected }] : [],
  );

  expect(scored).toHaveLength(10);
  for (const { rows, expected } of scored) expectOfficial(pairScores(rows), expected);
});

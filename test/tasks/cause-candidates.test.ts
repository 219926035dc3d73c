import { expect, test } from "vitest";
import { candidateAnswers, likelyPairs } from "../../src/tasks/cause-candidates.ts";

test("every pair is named whose summed probability reaches the threshold, though no single answer does", () => {
  const weighed = [
    { answer: "3_joy,3", probability: 0.04 },
    { answer: "3_joy,2;3_joy,3", probability: 0.03 },
    { answer: "3_joy,2", probability: 0.02 },
    { answer: "None.", probability: 0.01 },
  ];

  // Of a total of 0.1: (3, 3) 0.7, (3, 2) 0.5.
  expect(likelyPairs(weighed, 0.35)).toBe("3_joy,2;3_joy,3");
  expect(likelyPairs(weighed, 0.6)).toBe("3_joy,3");
  expect(likelyPairs(weighed, 0.8)).toBe("None.");
});

test("naming the pairs above half of the best F1 gives the largest expected F1", () => {
  // Probabilities of pairs over many targets; naming the k likeliest has the expected F1 2 * sum / (k + all), in the limit.
  const chances = [0.9, 0.8, 0.6, 0.45, 0.4, 0.3, 0.2, 0.1];
  const all = chances.reduce((a, b) => a + b, 0);
  const f1 = chances.map((_, k) => (2 * chances.slice(0, k + 1).reduce((a, b) => a + b, 0)) / (k + 1 + all));
  const best = Math.max(...f1);

  expect(chances.filter((chance) => chance >= best / 2)).toHaveLength(f1.indexOf(best) + 1);
});

test("candidates hold near causes in sets, far ones alone, and the answer without a cause", () => {
  const candidates = candidateAnswers({ number: 8, first: 1, last: 20, emotions: ["fear"] });

  expect(candidates).toContain("None.");
  expect(candidates).toContain("8_fear,5;8_fear,8;8_fear,9");
  expect(candidates).toContain("8_fear,2");
  expect(candidates).not.toContain("8_fear,2;8_fear,8");
  expect(candidates).toHaveLength(1 + 5 + 10 + 10 + 4);
  expect(new Set(candidates).size).toBe(candidates.length);
});

test("a target of one turn has itself or nothing as its cause, with every emotion that is possible", () => {
  expect(candidateAnswers({ number: 1, first: 1, last: 1, emotions: ["joy"] })).toEqual(["None.", "1_joy,1"]);
  expect(candidateAnswers({ number: 1, first: 1, last: 1, emotions: ["joy", "anger"] })).toEqual(["None.", "1_joy,1", "1_anger,1"]);
});

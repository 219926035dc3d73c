import { expect, test } from "vitest";
import { bleu4 } from "../../src/metrics/bleu.ts";
import { rougeL } from "../../src/metrics/rouge-l.ts";

const rows = [
  { reference: "the cat sat on the mat", response: "the cat is on the mat" },
  { reference: "her brows are lowered and her voice is loud , so she is angry", response: "Her brows are lowered and her voice is quiet , so she is sad" },
  { reference: "he smiles and sounds bright , so he is happy", response: "he smiles , so he is happy" },
  { reference: "a b c d e", response: "a b c d e" },
  { reference: "nothing here", response: "the the the the the the the" },
];

test("ROUGE-L by hand on five rows", () => {
  // Longest common subsequences: 5 of 6 and 6; 12 of 14 and 14; 7 of 10 and 7; 5 of 5 and 5; 0.
  expect(rougeL(rows)).toBeCloseTo((10 / 12 + 24 / 28 + 14 / 17 + 1 + 0) / 5, 12);
});

test("ROUGE-L keeps the order of words and ignores case and white space", () => {
  expect(rougeL([{ reference: "a b c", response: "c b a" }])).toBeCloseTo(2 / 6, 12);
  expect(rougeL([{ reference: "He  smiles.", response: "he\nSMILES." }])).toBe(1);
});

test("BLEU-4 equals sacreBLEU on five rows", () => {
  // sacrebleu 2.6.0: corpus_bleu(tokenize="none", lowercase=True, smooth_method="exp")
  expect(bleu4(rows)).toBeCloseTo(0.5674659318506547, 12);
});

test("BLEU-4 clips repeated words, smooths empty orders and punishes short responses as sacreBLEU does", () => {
  const clipped = [{ reference: "the cat is on the mat", response: "the the the the the the the" }];
  const short = [
    { reference: "a b c d e", response: "a b x c d" },
    { reference: "e f g", response: "e f" },
  ];

  expect(bleu4(clipped)).toBeCloseTo(0.07809849842300637, 12);
  expect(bleu4(short)).toBeCloseTo(0.2789001430384383, 12);
});

test("BLEU-4 is 0 when no response has four words, when no word is common, and for no rows", () => {
  expect(bleu4([{ reference: "a b c", response: "a b c" }])).toBe(0);
  expect(bleu4([{ reference: "a b c d", response: "e f g h" }])).toBe(0);
  expect(bleu4([])).toBe(0);
});

test("an empty response scores 0 in both", () => {
  const empty = [{ reference: "a b c d", response: "" }];

  expect([rougeL(empty), bleu4(empty), rougeL([])]).toEqual([0, 0, 0]);
});

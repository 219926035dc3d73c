import { expect, test } from "vitest";
import { z } from "zod";
import { CONTROL_TOKENS, learnMerges, MIN_VOCAB_SIZE, trainTokenizer } from "../../src/text/bpe-trainer.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { writeTokenizer } from "./toy-tokenizer.ts";

const modelSchema = z.looseObject({ model: z.looseObject({ vocab: z.record(z.string(), z.number()), merges: z.array(z.tuple([z.string(), z.string()])) }) });
const trainModel = (texts: readonly string[], vocabSize: number): z.infer<typeof modelSchema>["model"] => modelSchema.parse(trainTokenizer(texts, vocabSize)["tokenizer.json"]).model;

test("the most frequent pair is merged first, a tie goes to the smaller ids, a pair that occurs once is left alone", () => {
  // low x5, lower x2, newest x6: e-s 6, s-t 6, n-e 6, e-w 6, w-e 6+2 -> (w,e) first.
  // Then l-o 7, o-w 5, o-we 2, s-t 6, n-e 6, e-we 6, we-s 6 -> (l,o); then ties at 6, the smallest left letter: (e,we).
  const { merges } = trainModel(["low ".repeat(5), "lower ".repeat(2), "newest ".repeat(6)].map((text) => text.trimEnd().replaceAll(" ", "\n")), MIN_VOCAB_SIZE + 3);

  expect(merges).toEqual([["w", "e"], ["l", "o"], ["e", "we"]]);
  expect(trainModel(["abc"], MIN_VOCAB_SIZE + 10).merges).toEqual([]);
});

test("a run of equal bytes is merged from the left", () => {
  const merges = learnMerges(new Map([["aaaaa", 1]]), 2);

  // aaaaa -> (aa)(aa)a: pair (aa, aa) occurs once and (aa, a) once, so there is no second merge.
  const a = 64; // "a" is 0x61, the 65th printable byte from 0x21 on.
  expect(merges).toEqual([[a, a]]);
});

test("vocabulary: bytes in GPT-2's order, then merges, then control tokens without a gap", async () => {
  const files = trainTokenizer(["happy happy sad sad"], 300);
  const { vocab, merges } = modelSchema.parse(files["tokenizer.json"]).model;
  const tokenizer = await loadTokenizer(await writeTokenizer(files["tokenizer.json"], files["tokenizer_config.json"]));

  expect([vocab["!"], vocab["a"], vocab["\u0100"], vocab["\u0120"]]).toEqual([0, 64, 188, 220]); // "\u0120" spells the space
  expect(merges.length).toBeGreaterThan(3);
  expect(CONTROL_TOKENS.map((token) => tokenizer.idOf(token))).toEqual(CONTROL_TOKENS.map((_, i) => 256 + merges.length + i));
  expect(tokenizer.encode("happy").length).toBe(1);
  expect([...new Set(Object.values(vocab))].length).toBe(256 + merges.length);
});

test("words take one character in front of them, as Qwen2's do; digits and closing brackets stay apart", () => {
  const { merges } = trainModel(["<emotion> 2024 happy\n".repeat(50)], 600);
  const joined = merges.map(([left, right]) => left + right);

  expect(joined).toContain("<emotion");
  expect(joined).toContain("\u0120happy");
  expect(joined.filter((token) => /\d/.test(token))).toEqual([]);
  expect(joined.filter((token) => token.endsWith("n>"))).toEqual([]);
});

test("control tokens spelled in the corpus are not learned as words", () => {
  const { merges } = trainModel(["<|im_start|><|im_end|><IMG_CONTEXT>".repeat(20)], 400);

  expect(merges).toEqual([]);
});

test("training is deterministic and does not depend on how the corpus is cut at line ends", () => {
  const whole = trainTokenizer(["the cat\nthe hat\nthe mat"], 280);
  const lines = trainTokenizer(["the cat\n", "the hat\n", "the mat"], 280);

  expect(lines).toEqual(whole);
});

test("a vocabulary smaller than its bytes and control tokens is a bug of the caller", () => {
  expect(() => trainTokenizer(["a"], 100)).toThrow("vocabulary of 100, at least 265 needed");
});

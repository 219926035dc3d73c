import { expect, test } from "vitest";
import { didYouMean, editDistance, nearestNames } from "../../src/core/suggest.ts";

test("the edit distance counts insertions, deletions and substitutions", () => {
  expect(editDistance("kitten", "sitting")).toBe(3);
  expect(editDistance("", "abc")).toBe(3);
  expect(editDistance("abc", "abc")).toBe(0);
});

test("near names come nearest first, far ones not at all", () => {
  expect(nearestNames("epoch", ["accumulation", "epochs", "maxSteps"])).toEqual(["epochs"]);
  expect(nearestNames("ERC", ["msa", "eri", "erc"])).toEqual(["erc", "eri"]);
  expect(nearestNames("zzzzzz", ["msa"])).toEqual([]);
});

test("the beginning of a long name is near it, one letter is not", () => {
  expect(nearestNames("multitask", ["all", "multitask-pretraining", "reason-finetuning"])).toEqual(["multitask-pretraining"]);
  expect(nearestNames("m", ["multitask-pretraining"])).toEqual([]);
});

test("the sentence lists what is known and suggests only what is near", () => {
  expect(didYouMean("emo", ["msa", "erc"])).toBe('Known: msa, erc. Did you mean "erc"?');
  expect(didYouMean("something", ["msa", "erc"])).toBe("Known: msa, erc.");
});

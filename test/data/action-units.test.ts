import { expect, test } from "vitest";
import { cueOf, emotionUnits, knownUnits, phrasesOf, unitOf } from "../../src/data/action-units.ts";
import { EMOTIONS } from "../../src/data/record.ts";

test("the paper's two example phrases name the units they came from", () => {
  expect(unitOf("Eyes narrowing")).toBe("AU06");
  expect(unitOf("slightly puzzled")).toBe("AU25");
  expect(unitOf("a green hat")).toBeUndefined();
});

test("every phrase belongs to exactly one unit", () => {
  const phrases = knownUnits().flatMap((unit) => phrasesOf(unit).map((phrase) => ({ unit, phrase })));

  expect(phrases.length).toBe(80);
  expect(phrases.filter(({ unit, phrase }) => unitOf(phrase) !== unit)).toEqual([]);
});

test("every emotion's units are known, and only neutral has none", () => {
  for (const emotion of EMOTIONS) {
    expect(emotionUnits(emotion).filter((unit) => phrasesOf(unit).length === 0 || cueOf(unit) === undefined)).toEqual([]);
    expect(emotionUnits(emotion).length === 0).toBe(emotion === "neutral");
  }
  expect(emotionUnits("surprise")).toEqual(["AU01", "AU02", "AU05", "AU25", "AU26"]);
});

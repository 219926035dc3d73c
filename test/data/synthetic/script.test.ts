import { expect, test } from "vitest";
import { cueOf, knownUnits, phrasesOf } from "../../../src/data/action-units.ts";
import { EMOTIONS, SPLITS, recordSchema } from "../../../src/data/record.ts";
import type { EmtRecord, Split } from "../../../src/data/record.ts";
import { CHANNELS, goldEmotion } from "../../../src/data/synthetic/channels.ts";
import { PROTOTYPES, strongestUnits } from "../../../src/data/synthetic/expression.ts";
import { identitiesOf } from "../../../src/data/synthetic/identity.ts";
import { VOICE_SOUND } from "../../../src/data/synthetic/reason.ts";
import { scriptDataset } from "../../../src/data/synthetic/script.ts";
import { TURN_KINDS } from "../../../src/data/synthetic/shapes.ts";
import { framesOf } from "../../../src/data/synthetic/words.ts";

const dialogues = scriptDataset({ clips: 1000, seed: 1 });
const utterances = dialogues.flatMap(({ record, clips }) => record.utterances.map((utterance, index) => ({ utterance, clip: clips[index]!, split: record.split })));
const share = (count: number): number => count / utterances.length;
const words = (text: string): string[] => text.toLowerCase().match(/[a-z]+/g) ?? [];

test("two channels of three make the gold emotion, three different ones make none", () => {
  expect(goldEmotion({ face: "joy", voice: "sadness", words: "joy" })).toBe("joy");
  expect(goldEmotion({ face: "joy", voice: "sadness", words: "sadness" })).toBe("sadness");
  expect(goldEmotion({ face: "fear", voice: "fear", words: "neutral" })).toBe("fear");
  expect(goldEmotion({ face: "joy", voice: "sadness", words: "fear" })).toBeUndefined();
});

test("the number of clips is exact, the splits are 80/7/13, and every record fits the schema", () => {
  const sizes = Object.fromEntries(SPLITS.map((split) => [split, utterances.filter((item) => item.split === split).length]));

  expect(sizes).toEqual({ train: 800, val: 70, test: 130 });
  for (const { record } of dialogues) {
    expect(recordSchema.parse(record)).toEqual(record);
    expect(record.utterances.length).toBeGreaterThanOrEqual(2);
    expect(record.utterances.length).toBeLessThanOrEqual(6);
    expect(new Set(record.utterances.map(({ speaker }) => speaker)).size).toBeLessThanOrEqual(2);
  }
  expect(new Set(utterances.map(({ utterance }) => utterance.id)).size).toBe(1000);
});

test("equal seeds give equal scripts, other seeds others", () => {
  expect(scriptDataset({ clips: 60, seed: 4 })).toEqual(scriptDataset({ clips: 60, seed: 4 }));
  expect(scriptDataset({ clips: 60, seed: 5 })).not.toEqual(scriptDataset({ clips: 60, seed: 4 }));
});

test("the gold emotion is the vote of the channels, and polarity and score follow it", () => {
  for (const { utterance, clip } of utterances) {
    expect(goldEmotion(clip.shown)).toBe(utterance.emotion);
    const polarity = { joy: "positive", surprise: "positive", neutral: "neutral", anger: "negative", sadness: "negative", disgust: "negative", fear: "negative" }[utterance.emotion ?? "neutral"];
    expect(utterance.sentiment?.polarity).toBe(polarity);
    expect(Math.sign(utterance.sentiment?.score ?? Number.NaN)).toBe({ positive: 1, negative: -1, neutral: 0 }[polarity]);
  }
});

test("45 % of the clips agree, 40 % conflict and 15 % have a flat channel; no single channel is enough", () => {
  const odd = utterances.map(({ utterance, clip }) => ({ clip, channels: CHANNELS.filter((channel) => clip.shown[channel] !== utterance.emotion) }));
  const agree = odd.filter(({ channels }) => channels.length === 0).length;
  const flat = odd.filter(({ clip, channels }) => channels.some((channel) => clip.shown[channel] === "neutral")).length;

  // A neutral clip with a flat channel agrees: 0.45 + 0.15 / 6 and 0.15 * 5 / 6.
  expect(share(agree)).toBeCloseTo(0.475, 1);
  expect(share(flat)).toBeCloseTo(0.125, 1);
  for (const channel of CHANNELS) {
    const right = utterances.filter(({ utterance, clip }) => clip.shown[channel] === utterance.emotion).length;
    expect(share(right)).toBeGreaterThan(0.77);
    expect(share(right)).toBeLessThan(0.87);
  }
});

test("emotions are balanced in every split: neutral about a sixth, every other at least 8 %", () => {
  for (const split of SPLITS) {
    const emotions = utterances.filter((item) => item.split === split).map(({ utterance }) => utterance.emotion);
    for (const emotion of EMOTIONS) expect(emotions.filter((other) => other === emotion).length / emotions.length).toBeGreaterThan(0.08);
  }
  expect(share(utterances.filter(({ utterance }) => utterance.emotion === "neutral").length)).toBeCloseTo(1 / 6, 1);
});

test("the phrases describe exactly the drawn units, and the set varies within an emotion", () => {
  for (const { utterance, clip } of utterances) {
    const units = Object.keys(clip.activations);
    expect(utterance.actionUnits?.map(({ unit }) => unit)).toEqual(units);
    expect(utterance.expression).toEqual(clip.shown.face === "neutral" ? undefined : units.map((unit) => phrasesOf(unit)[0]));
    for (const unit of PROTOTYPES[clip.shown.face].core) expect(units).toContain(unit);
  }
  for (const emotion of EMOTIONS.filter((other) => other !== "neutral")) {
    const sets = new Set(utterances.filter(({ clip }) => clip.shown.face === emotion).map(({ clip }) => Object.keys(clip.activations).join()));
    expect(sets.size).toBe(3);
  }
  expect(new Set(utterances.flatMap(({ clip }) => Object.keys(clip.activations))).size).toBe(14);
});

test("a reason names the two strongest drawn units, how the voice sounds and the gold emotion, in this order", () => {
  for (const { utterance, clip } of utterances) {
    const reason = utterance.reason ?? "";
    const cues = knownUnits().filter((unit) => reason.includes(cueOf(unit) ?? "-"));
    expect(new Set(cues)).toEqual(new Set(strongestUnits(clip.activations).slice(0, 2)));
    expect(words(reason).filter((word) => EMOTIONS.some((emotion) => emotion === word))).toEqual([utterance.emotion]);
    const places = ["In the video,", " the voice sounds ", VOICE_SOUND[clip.shown.voice], " the words are ", ` ${utterance.emotion}.`].map((part) => reason.indexOf(part));
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(places[0]).toBe(0);
    expect(reason.split(" ").length).toBeGreaterThanOrEqual(24);
    expect(reason.split(" ").length).toBeLessThanOrEqual(40);
  }
});

test("a reason says which channel disagrees", () => {
  const clause = { face: "In the video, although the person shows", voice: "although the voice sounds", words: "although the words are" };
  for (const channel of CHANNELS) {
    const conflicts = utterances.filter(({ utterance, clip }) => clip.shown[channel] !== utterance.emotion && clip.shown[channel] !== "neutral");
    expect(conflicts.length).toBeGreaterThan(80);
    for (const { utterance } of utterances) expect(utterance.reason?.includes(clause[channel])).toBe(conflicts.some((item) => item.utterance === utterance));
  }
});

test("the test split's frames and looks are seen nowhere else, its words all are", () => {
  for (const kind of Object.values(TURN_KINDS)) {
    for (const topics of [1, 2]) {
      const seen = new Set(framesOf({ kind, split: "train", topics }));
      expect(seen.size).toBeGreaterThanOrEqual(3);
      expect(framesOf({ kind, split: "test", topics }).filter((frame) => seen.has(frame))).toEqual([]);
    }
  }
  const looks = (split: Split): Set<string> => new Set(utterances.filter((item) => item.split === split).map(({ clip }) => clip.identity.id));
  expect(looks("train").size).toBeGreaterThan(40);
  for (const other of ["train", "val"] as const) expect([...looks("test")].filter((look) => looks(other).has(look))).toEqual([]);
  expect([...looks("val")].filter((look) => looks("train").has(look))).toEqual([]);
  expect(new Set(SPLITS.flatMap((split) => identitiesOf(split, 1).map(({ id }) => id))).size).toBe(90);

  const vocabulary = (splits: readonly Split[]): Set<string> => new Set(utterances.filter(({ split }) => splits.includes(split)).flatMap(({ utterance }) => words(utterance.text)));
  expect([...vocabulary(["val", "test"])].filter((word) => !vocabulary(["train"]).has(word))).toEqual([]);
  expect(vocabulary(SPLITS).size).toBeLessThan(300);
});

test("causes: about 40 % the turn itself, 30 % further back, 20 % one back, 10 % later; neutral turns have none", () => {
  const distances = dialogues.flatMap(({ record }) => (record.pairs ?? []).map(({ emotionUtterance, causeUtterance }) => emotionUtterance - causeUtterance));
  const part = (matches: (distance: number) => boolean): number => distances.filter(matches).length / distances.length;

  expect(Math.abs(part((distance) => distance === 0) - 0.4)).toBeLessThan(0.04);
  expect(Math.abs(part((distance) => distance > 1) - 0.3)).toBeLessThan(0.04);
  expect(Math.abs(part((distance) => distance === 1) - 0.2)).toBeLessThan(0.04);
  expect(Math.abs(part((distance) => distance < 0) - 0.1)).toBeLessThan(0.03);
  for (const { record } of dialogues) {
    record.utterances.forEach(({ emotion }, index) => expect(record.pairs?.some((pair) => pair.emotionUtterance === index + 1)).toBe(emotion !== "neutral"));
  }
  expect(dialogues.some(({ record }) => record.pairs?.some((pair) => record.pairs?.some((other) => other !== pair && other.emotionUtterance === pair.emotionUtterance)))).toBe(true);
});

test("position rules find few causes, matching the topic's words finds all", () => {
  const itself = ruleScore((target) => [target]);
  const previous = ruleScore((target) => (target === 1 ? [target] : [target - 1, target]));

  expect(itself).toBeGreaterThan(0.3);
  expect(itself).toBeLessThan(0.6);
  expect(previous).toBeGreaterThan(0.3);
  expect(previous).toBeLessThan(0.6);
  expect(ruleScore(topicRule)).toBe(1);
});

test("too few clips and a broken seed are refused", () => {
  expect(() => scriptDataset({ clips: 5, seed: 1 })).toThrow("ConfigError --clips: got 5, expected a whole number from 6 to 1000000.");
  expect(() => scriptDataset({ clips: 1_000_001, seed: 1 })).toThrow("ConfigError --clips: got 1000001, expected a whole number from 6 to 1000000.");
  expect(() => scriptDataset({ clips: 60, seed: 1.5 })).toThrow("ConfigError --seed: got 1.5, expected a whole number from 0 to 9007199254740991.");
});

/** F1 over pairs of a rule that names the causes of every turn with an emotion; all numbers 1-based. */
function ruleScore(rule: (target: number, record: EmtRecord) => readonly number[]): number {
  let [right, said, gold] = [0, 0, 0];
  for (const { record } of dialogues) {
    const pairs = new Set(record.pairs?.map(({ emotionUtterance, causeUtterance }) => `${emotionUtterance}:${causeUtterance}`));
    const answers = record.utterances.flatMap(({ emotion }, index) => (emotion === "neutral" ? [] : rule(index + 1, record).map((cause) => `${index + 1}:${cause}`)));
    right += answers.filter((answer) => pairs.has(answer)).length;
    said += answers.length;
    gold += pairs.size;
  }
  return (2 * right) / (said + gold);
}

/** A turn that states something causes itself; an announcement points to the next turn; else the turns that state a shared topic. */
function topicRule(target: number, { utterances: turns }: EmtRecord): readonly number[] {
  const stated = (text: string): string | undefined => /(?:sold|moved|changed|took|found|showed|bought|drew) (?:the|my) (\w+)/.exec(text)?.[1];
  const text = turns[target - 1]?.text ?? "";
  if (stated(text) !== undefined) return [target];
  if (text.includes("happened")) return [target + 1];
  return turns.flatMap((turn, index) => (words(text).includes(stated(turn.text) ?? "-") ? [index + 1] : []));
}

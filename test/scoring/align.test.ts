import { expect, test } from "vitest";
import { align, alignWithOwnGold } from "../../src/scoring/align.ts";
import type { Answer } from "../../src/scoring/answer-file.ts";

const same = (a: string, b: string): boolean => a === b;

function gold(...pairs: readonly (readonly [id: string, answer: string])[]): Answer[] {
  return pairs.map(([id, answer], i) => ({ where: `g:${i + 1}`, id, gold: answer }));
}

function said(...pairs: readonly (readonly [id: string, answer: string, own?: string])[]): Answer[] {
  return pairs.map(([id, response, own], i) => ({ where: `p:${i + 1}`, id, response, ...(own === undefined ? {} : { gold: own }) }));
}

test("the gold file says what is scored: missing and contradicting predictions have no answer, repeated ones count once, foreign ones not at all", () => {
  const { rows, alignment } = align(gold(["a", "joy"], ["b", "fear"], ["c", "joy"], ["d", "joy"]), said(["a", "joy"], ["b", "joy"], ["b", "fear"], ["c", "fear", "anger"], ["c", "fear", "joy"], ["x", "joy"]), same);

  expect(rows.map(({ id, response }) => [id, response])).toEqual([["a", "joy"], ["b", undefined], ["c", "fear"], ["d", undefined]]);
  expect(alignment).toEqual({
    by: "id",
    missing: { count: 1, first: ["d"] },
    contradicting: { count: 1, first: ["b"] },
    repeated: { count: 1, first: ["c"] },
    superfluous: { count: 1, first: ["x"] },
    otherGold: { count: 1, first: ["c"] },
  });
});

test("five examples of many are named", () => {
  const many = Array.from({ length: 20 }, (_, i) => [`id${i}`, "joy"] as const);

  expect(align(gold(...many), said(["id0", "joy"]), same).alignment.missing).toEqual({ count: 19, first: ["id1", "id2", "id3", "id4", "id5"] });
});

test("ids of other forms meet by dialogue and utterance, or by video and clip", () => {
  const { rows, alignment } = align(gold(["dia3_utt12", "joy"]), said(["test/dia3utt12", "fear"]), same);
  const segments = align(gold(["-x_y$_$3", "1"]), said(["mosei_-x_y$_$3", "2"]), same);

  expect([alignment.by, rows[0]?.response]).toEqual(["name", "fear"]);
  const underscores = align(gold(["-x_y$_$3", "1"]), said(["-x_y_3", "2"]), same);
  const slashes = align(gold(["mosei_-x_y$_$3", "1"]), said(["-x_y/3", "2"]), same);
  expect([segments.alignment.by, segments.rows[0]?.response]).toEqual(["name", "2"]);
  expect([underscores.rows[0]?.response, slashes.rows[0]?.response]).toEqual(["2", "2"]);
});

test("files of different samples, and a gold file with a sample twice, are refused", () => {
  expect(() => align(gold(["a", "joy"]), said(["b", "joy"]), same)).toThrow('no prediction has the id of a gold answer. Got ids such as "b", expected such as "a"');
  expect(() => align(gold(["a", "joy"], ["a", "fear"]), said(["a", "joy"]), same)).toThrow('DataError g:2: the gold answer of "a" is there twice, first in g:1');
});

test("rows without ids are matched by their order when number and own gold answers agree, and refused otherwise", () => {
  const rows: Answer[] = [{ where: "p:1", response: "fear", gold: "joy" }];

  expect(align(gold(["a", "joy"]), rows, same)).toMatchObject({ rows: [{ id: "a", gold: "joy", response: "fear" }], alignment: { by: "order" } });
  expect(() => align(gold(["a", "joy"], ["b", "joy"]), rows, same)).toThrow("got 1 predictions, expected 2 as in the gold file: rows without ids can only be matched by their order");
  expect(() => align(gold(["a", "fear"]), rows, same)).toThrow(`this row's own gold answer is "joy", but row 1 of the gold file says "fear"`);
});

test("predictions with their own gold answers are scored as they are; repeated ids are told", () => {
  const { rows, alignment } = alignWithOwnGold(said(["a", "joy", "joy"], ["a", "fear", "joy"]));

  expect(rows).toHaveLength(2);
  expect(alignment).toMatchObject({ by: "own", repeated: { count: 1, first: ["a"] } });
  expect(() => alignWithOwnGold(said(["a", "joy"]))).toThrow("no gold answer in this row (1 of 1 rows have none).\n  Name the gold answers with --gold.");
});

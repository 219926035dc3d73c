import { expect, test } from "vitest";
import { promptRows } from "../../src/eval/prompt-rows.ts";
import type { EncodedSample, MediaSlot } from "../../src/text/encoded-sample.ts";
import { toySample } from "../curriculum/toy-samples.ts";

const SLOTS: readonly MediaSlot[] = [{ modality: "audio", clip: "q", position: 1, count: 1, offset: 0 }];
const P1 = prompt("p1", "p", [1, 2], [10, 11]);
const P2 = prompt("p2", "p", [1, 2], [12]);
const Q = prompt("q", "q", [3, 31, 4], [20, 21], SLOTS);
const ANSWERS = [Int32Array.of(7, 8, 0), Int32Array.of(9, 0)];

function prompt(id: string, prefixKey: string, prefix: readonly number[], branch: readonly number[], slots: readonly MediaSlot[] = []): EncodedSample {
  return toySample({ id, prefixKey, prefix, branch, answer: 0, slots });
}

test("prompts of one prefix share it, another prefix starts a tree, padding ends the row", () => {
  const rows = promptRows([P1, P2, Q], [], 12);

  expect(rows.length).toBe(1);
  const [{ row, prompts }] = rows as [(typeof rows)[0]];
  expect([...row.inputIds]).toEqual([1, 2, 10, 11, 12, 3, 31, 4, 20, 21, 0, 0]);
  expect([...row.positionIds]).toEqual([0, 1, 2, 3, 2, 0, 1, 2, 3, 4, 0, 0]);
  expect([...row.segmentIds]).toEqual([1, 1, 2, 2, 3, 4, 4, 4, 5, 5, 0, 0]);
  expect(row.slots).toEqual([{ modality: "audio", clip: "q", position: 6, count: 1, offset: 0 }]);
  expect(row.supervisedTokens).toBe(0);
  expect(prompts).toEqual([
    { sampleId: "p1", end: 3, answers: [] },
    { sampleId: "p2", end: 4, answers: [] },
    { sampleId: "q", end: 9, answers: [] },
  ]);
});

test("answers hang under their prompt without their end token, each going on from the prompt", () => {
  const [only, ...others] = promptRows([P1, P2], ANSWERS, 11);

  expect(others).toEqual([]);
  const { row, prompts } = only!;
  expect([...row.inputIds]).toEqual([1, 2, 10, 11, 7, 8, 9, 12, 7, 8, 9, 0]);
  expect([...row.positionIds]).toEqual([0, 1, 2, 3, 4, 5, 4, 2, 3, 4, 3, 0]);
  expect(row.segments.map(({ parent }) => parent)).toEqual([0, 1, 2, 2, 1, 5, 5]);
  expect(prompts).toEqual([
    { sampleId: "p1", end: 3, answers: [{ promptEnd: 3, start: 4, ids: ANSWERS[0] }, { promptEnd: 3, start: 6, ids: ANSWERS[1] }] },
    { sampleId: "p2", end: 7, answers: [{ promptEnd: 7, start: 8, ids: ANSWERS[0] }, { promptEnd: 7, start: 10, ids: ANSWERS[1] }] },
  ]);
});

test("each prompt may have answers of its own", () => {
  const own: Readonly<Record<string, readonly Int32Array[]>> = { p1: [Int32Array.of(7, 0)], p2: [] };
  const [only] = promptRows([P1, P2], (id) => own[id] ?? [], 12);

  expect([...only!.row.inputIds]).toEqual([1, 2, 10, 11, 7, 12]);
  expect(only!.prompts.map(({ sampleId, end, answers }) => [sampleId, end, answers.length])).toEqual([["p1", 3, 1], ["p2", 5, 0]]);
});

test("a prefix whose prompts exceed the row is repeated in the next; a row is as long as it needs, in quarters", () => {
  const rows = promptRows([P1, P2], ANSWERS, 8); // together 11

  expect(rows.map(({ row }) => [...row.inputIds])).toEqual([
    [1, 2, 12, 7, 8, 9],
    [1, 2, 10, 11, 7, 8, 9, 0],
  ]);
});

test("shortest prompts first; one that is longer than a row widens its own row alone, and none is dropped", () => {
  const long = prompt("long", "long", Array.from({ length: 21 }, (_, i) => 100 + i), [1]);
  const rows = promptRows([long, Q, P2, P1], [], 8);

  expect(rows.map(({ row }) => [row.usedTokens, row.inputIds.length])).toEqual([[5, 6], [5, 6], [22, 22]]);
  expect(rows.map(({ prompts }) => prompts.map(({ sampleId }) => sampleId))).toEqual([["q"], ["p2", "p1"], ["long"]]);
  expect(promptRows([P2, Q, P1], [], 1).map(({ row }) => [...row.inputIds])).toEqual([[1, 2, 12], [1, 2, 10, 11], [3, 31, 4, 20, 21]]);
  expect(promptRows([], [], 10)).toEqual([]);
});

test("prompts of one prefix share it wherever they stand among the samples", () => {
  const [only, ...others] = promptRows([P1, Q, P2], [], 12);

  expect(others).toEqual([]);
  expect(only!.row.segments.map(({ sampleId, parent }) => [sampleId, parent])).toEqual([[undefined, 0], ["p1", 1], ["p2", 1], [undefined, 0], ["q", 4]]);
});

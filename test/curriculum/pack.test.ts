import { expect, test } from "vitest";
import { tooLongProblems } from "../../src/curriculum/pack.ts";
import type { PackedRow, RowSegment } from "../../src/curriculum/packed-row.ts";
import { buildRow } from "../../src/curriculum/row.ts";
import { UserError } from "../../src/core/errors.ts";
import { IGNORE_INDEX, sampleLength } from "../../src/text/encoded-sample.ts";
import type { EncodedSample } from "../../src/text/encoded-sample.ts";
import { packRows, randomSamples, segment, toySample } from "./toy-samples.ts";

const _ = IGNORE_INDEX;

test("three samples, two of one clip, written out by hand", () => {
  const slot = { modality: "video", clip: "A", position: 1, count: 2, offset: 0 } as const;
  const samples = [
    toySample({ id: "A:msa", task: "msa", prefixKey: "A", prefix: [10, 11, 12], branch: [20, 21, 22], answer: 2, slots: [slot] }),
    toySample({ id: "B:erc", task: "erc", prefixKey: "B", prefix: [30], branch: [40, 41], answer: 1, slots: [{ ...slot, clip: "B", position: 0, count: 1 }] }),
    toySample({ id: "A:fer", task: "fer", prefixKey: "A", prefix: [10, 11, 12], branch: [50, 51], answer: 1, slots: [slot] }),
  ];

  const { rows, tooLong } = packRows(samples, { rowTokens: 13 });

  expect(tooLong).toEqual([]);
  expect(rows).toEqual([
    {
      inputIds: Int32Array.of(10, 11, 12, 20, 21, 22, 50, 51, 30, 40, 41, 0, 0),
      labels: Int32Array.of(_, _, _, 21, 22, _, 51, _, _, 41, _, _, _),
      positionIds: Int32Array.of(0, 1, 2, 3, 4, 5, 3, 4, 0, 1, 2, 0, 0),
      segmentIds: Int32Array.of(1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 5, 0, 0),
      segments: [
        { parent: 0, start: 0, length: 3 },
        { parent: 1, start: 3, length: 3, sampleId: "A:msa", task: "msa", answerTokens: 2 },
        { parent: 1, start: 6, length: 2, sampleId: "A:fer", task: "fer", answerTokens: 1 },
        { parent: 0, start: 8, length: 1 },
        { parent: 4, start: 9, length: 2, sampleId: "B:erc", task: "erc", answerTokens: 1 },
      ],
      slots: [slot, { ...slot, clip: "B", position: 8, count: 1 }],
      supervisedTokens: 4,
      usedTokens: 11,
    },
  ]);
});

test("a tree larger than a row is split by branches and repeats its prefix", () => {
  const samples = ["a", "b", "c"].map((id, i) => toySample({ id, prefixKey: "clip", prefix: [1, 2, 3, 4], branch: [10 + i, 20 + i] }));

  const { rows, tooLong } = packRows(samples, { rowTokens: 9 });

  expect(tooLong).toEqual([]);
  expect(rows.map(({ inputIds }) => [...inputIds])).toEqual([[1, 2, 3, 4, 10, 20, 11, 21, 0], [1, 2, 3, 4, 12, 22, 0, 0, 0]]);
});

test("a sample that exceeds a row on its own is reported, its siblings are packed", () => {
  const samples = [toySample({ id: "short", prefixKey: "clip", prefix: [1, 2], branch: [3, 4] }), toySample({ id: "long", prefixKey: "clip", prefix: [1, 2], branch: [5, 6, 7, 8] })];

  const { rows, tooLong } = packRows(samples, { rowTokens: 5 });

  expect(rows.flatMap(branches)).toEqual(["short"]);
  expect(tooLong.map(({ sample, tokens }) => [sample.id, tokens])).toEqual([["long", 6]]);
  expect(new UserError(tooLongProblems(tooLong, { stage: "reasoning", rowTokens: 5 })).message).toBe(
    "DataError sample long: got 6 tokens, expected at most 5.\n  Set stages.reasoning.budget.rowTokens to at least 6, lower data.frames, or set data.onBad: drop.",
  );
});

test("the fullest row that still has room is taken", () => {
  const lengths = [6, 5, 3, 4];

  const { rows } = packRows(lengths.map((length, i) => toySample({ id: `s${i}`, prefixKey: `k${i}`, prefix: [1], branch: Array<number>(length - 1).fill(9) })), { rowTokens: 9 });

  // s2 (3) fits both open rows, 6 + 3 leaves nothing; s3 (4) then fills 5 + 4.
  expect(rows.map(branches)).toEqual([["s0", "s2"], ["s1", "s3"]]);
});

test("random samples: each appears once with its own tokens, labels and positions, whatever the row length", () => {
  for (const [seed, rowTokens] of [[1, 40], [2, 64], [3, 300]] as const) {
    const samples = randomSamples(seed, 120);

    const { rows, tooLong } = packRows(samples, { rowTokens });

    expect(tooLong).toEqual([]);
    const paths = new Map(rows.flatMap((row) => onePathEach(row)).map((path) => [path.sampleId, path]));
    expect(rows.flatMap(branches).sort()).toEqual(samples.map(({ id }) => id).sort());
    expect(samples.length).toBeGreaterThan(200);
    for (const sample of samples) expect(paths.get(sample.id)).toEqual(alone(sample));
    expect(Math.max(...rows.map(({ usedTokens }) => usedTokens))).toBeLessThanOrEqual(rowTokens);
    expect(sum(rows, ({ supervisedTokens }) => supervisedTokens)).toBe(sum(samples, ({ answerTokens }) => answerTokens));
  }
});

test("a label never crosses a segment border", () => {
  const { rows } = packRows(randomSamples(4, 80), { rowTokens: 64 });
  const borders = rows.flatMap((row) => row.segments.map(({ start, length }) => ({ row, end: start + length - 1 })));

  expect(borders.length).toBeGreaterThan(200);
  expect(sum(rows, ({ labels }) => labels.filter((label) => label !== IGNORE_INDEX).length)).toBeGreaterThan(200);
  for (const { row, end } of borders) expect(row.labels[end]).toBe(IGNORE_INDEX);
  for (const { inputIds, labels, segmentIds } of rows) {
    labels.forEach((label, at) => {
      if (label !== IGNORE_INDEX) expect([inputIds[at + 1], segmentIds[at + 1]]).toEqual([label, segmentIds[at]]);
    });
  }
});

test("sharing saves exactly the repeated prefixes", () => {
  const samples = randomSamples(5, 50);
  const { rows } = packRows(samples, { rowTokens: 4096 });
  const firsts = new Set<string>();
  const repeated = sum(samples, ({ prefixKey, prefix }) => {
    const isRepeated = firsts.has(prefixKey);
    firsts.add(prefixKey);
    return isRepeated ? prefix.inputIds.length : 0;
  });

  expect(repeated).toBeGreaterThan(300);
  expect(sum(rows, ({ usedTokens }) => usedTokens)).toBe(sum(samples, sampleLength) - repeated);
});

test("rows are well filled and keep the order of the samples up to the open rows", () => {
  const samples = randomSamples(6, 2000);
  const { rows } = packRows(samples, { rowTokens: 128 });
  const order = new Map(samples.map(({ id }, i) => [id, i / samples.length]));

  const used = sum(rows, ({ usedTokens }) => usedTokens) / (rows.length * 128);
  const displacement = rows.flatMap((row, r) => branches(row).map((id) => Math.abs((order.get(id) ?? NaN) - r / rows.length)));

  expect(used).toBeGreaterThan(0.97);
  expect(rows.length).toBeGreaterThan(300);
  expect(sum(displacement, (x) => x) / displacement.length).toBeLessThan(0.15);
});

test("a deeper tree: answers are children of the instruction, and their positions go on from it", () => {
  const tree = [
    { segment: segment([1, 2]), parent: -1 },
    { segment: segment([3]), parent: 0, sampleId: "s" },
    { segment: segment([4, 5]), parent: 1 },
    { segment: segment([6]), parent: 1 },
    { segment: segment([7]), parent: 0 },
  ];

  const row = buildRow([tree, [{ segment: segment([8]), parent: -1 }, { segment: segment([9]), parent: 0 }]], 10);

  expect([...row.positionIds]).toEqual([0, 1, 2, 3, 4, 3, 2, 0, 1, 0]);
  expect(row.segments.map(({ parent }) => parent)).toEqual([0, 1, 2, 2, 1, 0, 6]);
});

test("what only a bug can cause is refused: prefixes that differ under one key, a child before its parent, a row too small", () => {
  const differing = [toySample({ id: "a", prefixKey: "k", prefix: [1, 2], branch: [3, 4] }), toySample({ id: "b", prefixKey: "k", prefix: [1, 9], branch: [3, 4] })];

  expect(() => packRows(differing, { rowTokens: 20 })).toThrow('samples of prefix "k" have different prefixes, see b');
  expect(() => buildRow([[{ segment: segment([1]), parent: 1 }, { segment: segment([1]), parent: -1 }]], 4)).toThrow("node 0 stands before its parent 1");
  expect(() => buildRow([[{ segment: segment([1, 2, 3]), parent: -1 }]], 2)).toThrow("3 tokens in a row of 2");
});

function branches({ segments }: PackedRow): string[] {
  return segments.flatMap(({ sampleId }) => sampleId ?? []);
}

interface Path {
  readonly sampleId: string;
  readonly inputIds: readonly number[];
  readonly labels: readonly number[];
  readonly positionIds: readonly number[];
}

/** Every branch with its ancestors, as if it stood alone. */
function onePathEach(row: PackedRow): Path[] {
  return row.segments.flatMap((branch): Path[] => {
    if (branch.sampleId === undefined) return [];
    const read = (values: Int32Array): number[] => ancestry(row, branch).flatMap(({ start, length }) => [...values.subarray(start, start + length)]);
    return [{ sampleId: branch.sampleId, inputIds: read(row.inputIds), labels: read(row.labels), positionIds: read(row.positionIds) }];
  });
}

function ancestry(row: PackedRow, branch: RowSegment): RowSegment[] {
  const parent = row.segments[branch.parent - 1];
  return parent === undefined ? [branch] : [...ancestry(row, parent), branch];
}

function alone({ id, prefix, branch }: EncodedSample): Path {
  const inputIds = [...prefix.inputIds, ...branch.inputIds];
  return { sampleId: id, inputIds, labels: [...prefix.labels, ...branch.labels], positionIds: inputIds.map((_, i) => i) };
}

function sum<T>(list: readonly T[], value: (element: T) => number): number {
  return list.reduce((total, element) => total + value(element), 0);
}

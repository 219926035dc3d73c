import { expect, test } from "vitest";
import { rng } from "../../src/core/rng.ts";
import type { PackedRow } from "../../src/curriculum/packed-row.ts";
import { buildRow } from "../../src/curriculum/row.ts";
import type { Tree } from "../../src/curriculum/row.ts";
import { MASKED, seenUntil, treeBias } from "../../src/curriculum/tree-mask.ts";
import { segment } from "./toy-samples.ts";

test("one prefix with two branches and one padding position, written out by hand", () => {
  const row = buildRow([[{ segment: segment([1, 2]), parent: -1 }, { segment: segment([3, 4]), parent: 0 }, { segment: segment([5]), parent: 0 }]], 6);

  const seen = Array.from(treeBias([row], 6), (bias) => (bias === 0 ? 1 : 0));

  expect(seen).toEqual([
    [1, 0, 0, 0, 0, 0],
    [1, 1, 0, 0, 0, 0],
    [1, 1, 1, 0, 0, 0],
    [1, 1, 1, 1, 0, 0],
    [1, 1, 0, 0, 1, 0],
    [0, 0, 0, 0, 0, 1],
  ].flat());
});

test("random forests: equal to the rule applied pair by pair, several rows in one batch", () => {
  const length = 48;
  const rows = Array.from({ length: 12 }, (_, seed) => randomForest(seed, length));

  const bias = treeBias(rows, length);

  expect(Math.max(...rows.map(depth))).toBeGreaterThanOrEqual(4);
  expect(rows.some(({ usedTokens }) => usedTokens < length)).toBe(true);
  expect(bias).toEqual(slowBias(rows, length));
  expect(new Set(bias)).toEqual(new Set([0, MASKED]));
});

test("one number a position: the end of its segment's descendants; padding ends at once", () => {
  const row = buildRow([[{ segment: segment([1, 2]), parent: -1 }, { segment: segment([3, 4]), parent: 0 }, { segment: segment([5]), parent: 1 }, { segment: segment([6]), parent: 0 }], [{ segment: segment([7]), parent: -1 }]], 8);

  expect([...seenUntil(row)]).toEqual([6, 6, 5, 5, 5, 6, 7, 8]);
});

test("a segment that does not stand behind its parent's other descendants is refused", () => {
  const row = buildRow([[{ segment: segment([1]), parent: -1 }, { segment: segment([2]), parent: 0 }, { segment: segment([3]), parent: 0 }, { segment: segment([4]), parent: 1 }]], 4);

  expect(() => seenUntil(row)).toThrow("segment 4 of a row stands apart from its parent 2");
});

test("a plain sample is causal", () => {
  const bias = treeBias([buildRow([[{ segment: segment([1, 2, 3]), parent: -1 }]], 3)], 3);

  expect([...bias]).toEqual([0, MASKED, MASKED, 0, 0, MASKED, 0, 0, 0]);
});

/** The rule of packed-row.ts, pair by pair. */
function slowBias(rows: readonly PackedRow[], length: number): Float32Array {
  const bias = new Float32Array(rows.length * length * length);
  rows.forEach((row, b) => {
    for (let query = 0; query < length; query++) {
      for (let key = 0; key < length; key++) bias[(b * length + query) * length + key] = sees(row, query, key) ? 0 : MASKED;
    }
  });
  return bias;
}

function sees({ segmentIds, segments }: PackedRow, query: number, key: number): boolean {
  if (segmentIds[query] === segmentIds[key] && segmentIds[query] !== 0) return key <= query;
  if (segmentIds[query] === 0 || segmentIds[key] === 0) return key === query;
  for (let number = segmentIds[query] ?? 0; number > 0; number = segments[number - 1]?.parent ?? 0) {
    if (number === segmentIds[key]) return true;
  }
  return false;
}

function randomForest(seed: number, length: number): PackedRow {
  const random = rng(seed, "forest");
  const trees: Tree[] = [];
  for (let free = length - random.integer(6); free > 12; ) {
    const tree = randomTree(1 + random.integer(6), (below) => random.integer(below));
    const tokens = tree.reduce((sum, node) => sum + node.segment.inputIds.length, 0);
    if (tokens > free) break;
    trees.push(tree);
    free -= tokens;
  }
  return buildRow(trees, length);
}

/** Nodes in the order of a walk: each is a child of the one before or of one of its ancestors. */
function randomTree(size: number, draw: (below: number) => number): Tree {
  const path: number[] = [];
  return Array.from({ length: size }, (_, i) => {
    path.length = Math.min(path.length, i === 0 ? 0 : 1 + draw(path.length));
    const parent = path.at(-1) ?? -1;
    path.push(i);
    return { segment: segment(Array<number>(1 + draw(5)).fill(7)), parent };
  });
}

function depth({ segments }: PackedRow): number {
  const depths: number[] = [];
  for (const { parent } of segments) depths.push(1 + (depths[parent - 1] ?? 0));
  return Math.max(0, ...depths);
}

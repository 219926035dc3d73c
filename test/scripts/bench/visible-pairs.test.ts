import { expect, test } from "vitest";
import { visiblePairs } from "../../../scripts/bench/visible-pairs.ts";
import { buildRow, type TreeNode } from "../../../src/curriculum/row.ts";
import { treeBias } from "../../../src/curriculum/tree-mask.ts";

function node(length: number, parent: number): TreeNode {
  return { segment: { inputIds: new Int32Array(length), labels: new Int32Array(length).fill(-100), slots: [] }, parent };
}

test("a chain sees n (n + 1) / 2 pairs however it is cut", () => {
  expect(visiblePairs(buildRow([[node(5, -1)]], 5))).toBe(15);
  expect(visiblePairs(buildRow([[node(2, -1), node(3, 0)]], 5))).toBe(15);
});

test("branches see their ancestors and themselves, trees do not see each other, padding counts nothing", () => {
  // 3: 6 pairs; two branches of 2 below it: 2 x 3 + 3 = 9 each; one of 1 below a branch: 5 + 1; another tree of 2: 3.
  const row = buildRow([[node(3, -1), node(2, 0), node(2, 0), node(1, 1)], [node(2, -1)]], 12);

  expect(visiblePairs(row)).toBe(6 + 9 + 9 + 6 + 3);
});

test("the pairs are those that the tree mask leaves open", () => {
  const row = buildRow([[node(4, -1), node(3, 0), node(5, 0)], [node(2, -1), node(2, 0)]], 16);

  const open = treeBias([row], 16).filter((bias) => bias === 0).length;

  expect(visiblePairs(row)).toBe(open);
});

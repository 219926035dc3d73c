import { expect, test } from "vitest";
import { encodeTree } from "../../src/curriculum/encode-tree.ts";
import { finder, outlineOf, treeTokens } from "../../src/curriculum/outline.ts";
import { segment, toySample } from "./toy-samples.ts";

const slot = { modality: "video", position: 1, count: 1 } as const;

test("an outline counts the tokens and names every clip once, of the prefix and of the branch", () => {
  const sample = toySample({ id: "a", task: "eri", unit: "u", prefixKey: "k", prefix: [1, 2, 3, 4], branch: [5, 6, 7], answer: 2, slots: [{ ...slot, clip: "A", offset: 0 }, { ...slot, position: 2, clip: "A", offset: 1 }] });
  const branch = segment([5, 6, 7], 2, [{ ...slot, modality: "audio", clip: "A", offset: 0 }, { ...slot, position: 2, clip: "B", offset: 0 }]);

  expect(outlineOf({ ...sample, branch })).toEqual({
    id: "a",
    task: "eri",
    unit: "u",
    prefixKey: "k",
    prefixTokens: 4,
    branchTokens: 3,
    answerTokens: 2,
    prefixLabels: 1,
    branchLabels: 0,
    clips: [{ modality: "video", clip: "A" }, { modality: "audio", clip: "A" }, { modality: "video", clip: "B" }],
  });
});

test("a tree holds the prefix once, and every sample's branch below it", () => {
  const samples = ["a", "b"].map((id, i) => toySample({ id, prefixKey: "k", prefix: [1, 2, 3], branch: [4, 5 + i] }));
  const outlines = samples.map(outlineOf);

  const tree = encodeTree(outlines, finder(samples));

  expect(tree.map(({ segment: { inputIds }, parent, sampleId }) => [[...inputIds], parent, sampleId])).toEqual([[[1, 2, 3], -1, undefined], [[4, 5], 0, "a"], [[4, 6], 0, "b"]]);
  expect(treeTokens(outlines)).toBe(7);
});

test("samples that are missing, or longer than planned, are no tree", () => {
  const planned = toySample({ id: "a", prefixKey: "k", prefix: [1, 2], branch: [4, 5] });
  const longer = toySample({ id: "a", prefixKey: "k", prefix: [1, 2], branch: [4, 5, 6] });

  expect(() => encodeTree([outlineOf(planned)], () => [])).toThrow("0 encoded samples for 1 outlines");
  expect(() => encodeTree([outlineOf(planned)], () => [longer])).toThrow("sample a and those beside it have 5 tokens, 4 were planned");
});

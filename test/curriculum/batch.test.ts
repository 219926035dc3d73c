import { expect, test } from "vitest";
import { buildBatch } from "../../src/curriculum/batch.ts";
import { buildRow } from "../../src/curriculum/row.ts";
import { seenUntil } from "../../src/curriculum/tree-mask.ts";
import type { MediaSlot } from "../../src/text/encoded-sample.ts";
import { packRows, randomSamples, segment } from "./toy-samples.ts";

const frame = (clip: string, position: number, k: number): MediaSlot => ({ modality: "video", clip, position, count: 2, offset: 2 * k });
const sound = (clip: string, position: number): MediaSlot => ({ modality: "audio", clip, position, count: 1, offset: 0 });

test("each placeholder points to its clip's feature row: videos first, then sounds, frames in order, by hand", () => {
  const first = buildRow([[{ segment: segment([1, 9, 9, 9, 9, 8], 0, [frame("A", 1, 0), frame("A", 3, 1), sound("A", 5)]), parent: -1 }]], 7);
  const second = buildRow([
    [{ segment: segment([8, 9, 9, 9, 9], 0, [sound("B", 0), frame("A", 1, 0), frame("A", 3, 1)]), parent: -1 }],
    [{ segment: segment([9, 9], 0, [frame("C", 0, 1)]), parent: -1 }],
  ], 7);

  const batch = buildBatch([first, second], { videoTokens: 4, audioTokens: 1 });

  expect(batch.videoClips).toEqual(["A", "C"]);
  expect(batch.audioClips).toEqual(["A", "B"]);
  expect([...batch.featureIndex]).toEqual([-1, 0, 1, 2, 3, 8, -1, 9, 0, 1, 2, 3, 6, 7]);
  expect([batch.batchSize, batch.length, batch.usedTokens]).toEqual([2, 7, 13]);
});

test("flat arrays are the rows one after another", () => {
  const { rows } = packRows(randomSamples(1, 30), { rowTokens: 64 });

  const batch = buildBatch(rows, { videoTokens: 0, audioTokens: 0 });

  expect(rows.length).toBeGreaterThan(5);
  expect([...batch.seenUntil]).toEqual(rows.flatMap((row) => [...seenUntil(row)]));
  for (const name of ["inputIds", "labels", "positionIds"] as const) expect([...batch[name]]).toEqual(rows.flatMap((row) => [...row[name]]));
  expect(batch.supervisedTokens).toBe(rows.reduce((sum, row) => sum + row.supervisedTokens, 0));
  expect(new Set(batch.featureIndex)).toEqual(new Set([-1]));
});

test("a slot beyond its clip's features and rows of different lengths are refused", () => {
  const row = buildRow([[{ segment: segment([9, 9], 0, [frame("A", 0, 1)]), parent: -1 }]], 4);

  expect(() => buildBatch([row], { videoTokens: 3, audioTokens: 0 })).toThrow("video of clip A: rows 2 to 4 of 3");
  expect(() => buildBatch([row, buildRow([], 5)], { videoTokens: 4, audioTokens: 0 })).toThrow("rows of 4, 5 tokens in one batch");
});

import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openDataset } from "../../src/data/dataset.ts";
import { EMOTIONS, SPLITS } from "../../src/data/record.ts";
import { scriptDataset } from "../../src/data/synthetic/script.ts";

const root = fileURLToPath(new URL("../../data/fixture", import.meta.url));

test("the committed fixture has every emotion, labels of all five tasks in every split, and every clip", async () => {
  const dataset = await openDataset(root);
  const utterances = SPLITS.flatMap((split) => dataset.records(split).flatMap((record) => record.utterances));

  expect(utterances.length).toBe(56);
  expect(new Set(utterances.map(({ emotion }) => emotion))).toEqual(new Set(EMOTIONS));
  for (const utterance of utterances) expect((await stat(dataset.mediaPath(utterance).video ?? "")).size).toBeGreaterThan(5000);
  for (const split of SPLITS) {
    const records = dataset.records(split);
    expect(records.some(({ pairs }) => pairs !== undefined && pairs.length > 0)).toBe(true);
    for (const label of ["sentiment", "emotion", "expression", "reason"] as const) expect(records.some(({ utterances: turns }) => turns.some((turn) => turn[label] !== undefined))).toBe(true);
  }
});

test("the committed fixture is what its script makes of its seed today", async () => {
  const dataset = await openDataset(root);
  const scripted = scriptDataset({ clips: 56, seed: dataset.info?.seed ?? -1 }).map(({ record }) => record);

  expect(SPLITS.flatMap((split) => dataset.records(split))).toEqual(scripted);
});

import { expect, test } from "vitest";
import { finder, outlineOf } from "../../src/curriculum/outline.ts";
import { planStage } from "../../src/curriculum/plan.ts";
import { scheduleStage, stepBatches } from "../../src/curriculum/schedule.ts";
import type { StageInput } from "../../src/curriculum/schedule.ts";
import { randomSamples, toySample } from "./toy-samples.ts";

const context = { drops: {}, supervise: "answers",  trainableParameters: 10, totalParameters: 100 } as const;

test("a plan of four samples, by hand", () => {
  const slot = { modality: "video", position: 0, count: 1, offset: 0 } as const;
  const samples = [
    toySample({ id: "A:msa", task: "msa", prefixKey: "A", prefix: [1, 2, 3, 4], branch: [5, 6, 7], answer: 2, slots: [{ ...slot, clip: "A" }] }),
    toySample({ id: "A:erc", task: "erc", prefixKey: "A", prefix: [1, 2, 3, 4], branch: [8, 9], answer: 1, slots: [{ ...slot, clip: "A" }] }),
    toySample({ id: "B:erc", task: "erc", prefixKey: "B", prefix: [1, 2], branch: [8, 9, 9, 9], answer: 2, slots: [{ ...slot, clip: "B" }] }),
    toySample({ id: "C:erc", task: "erc", prefixKey: "C", prefix: Array<number>(20).fill(1), branch: [8, 9] }),
    toySample({ id: "B:fer", task: "fer", prefixKey: "B", prefix: [1, 2], branch: [8, 9] }),
  ];
  const budget = { epochs: 2, rowTokens: 10, rowsPerBatch: 1, accumulation: 2 };

  const plan = planStage({ stage: "one", seed: 1, samples: samples.map(outlineOf), mixture: { msa: 1, erc: 1 }, budget }, { ...context, drops: { "unreadable media": 3 } });

  // Per epoch: tree A 4+3+2 = 9, tree B 2+4 = 6, so two rows of 10; without sharing 7+6+6 = 19 tokens.
  expect(plan).toEqual({
    stage: "one",
    tasks: {
      msa: { level: 1, available: 1, samples: 2, supervisedTokens: 4, meanTokens: 7, meanAnswerTokens: 2 },
      erc: { level: 1, available: 3, samples: 4, supervisedTokens: 6, meanTokens: 6, meanAnswerTokens: 1.5 },
    },
    epochs: 2,
    steps: 2,
    rows: 4,
    rowTokens: 10,
    rowsPerStep: 2,
    supervisedTokens: 10,
    packedTokens: 30,
    unpackedTokens: 38,
    sharingSaves: 8 / 38,
    paddingShare: 10 / 40,
    meanTreesPerRow: 1,
    heaviestRow: { supervisedTokens: 3, usedTokens: 9, clips: 1 },
    largestBatch: { rows: 1, supervisedTokens: 3, videoClips: 1, audioClips: 0 },
    clipPasses: { videoClips: 4, audioClips: 0 },
    distinctClips: { videoClips: 2, audioClips: 0 },
    drops: { "unreadable media": 3, "longer than a row": 1 },
    trainableParameters: 10,
    totalParameters: 100,
  });
});

test("the plan counts exactly what the steps hold, with maxSteps too", () => {
  const samples = randomSamples(9, 80);
  for (const maxSteps of [undefined, 3]) {
    const input: StageInput = { stage: "one", seed: 3, samples: samples.map(outlineOf), mixture: { msa: 0.8, erc: 0.3, eri: 0.6 }, budget: { epochs: 1.5, maxSteps, rowTokens: 64, rowsPerBatch: 2, accumulation: 2 } };
    const schedule = scheduleStage(input);
    const batches = Array.from({ length: schedule.steps }, (_, i) => stepBatches(schedule, i + 1, { encode: finder(samples), featureRows: { videoTokens: 0, audioTokens: 0 } })).flat();
    const rows = batches.flatMap((batch) => batch.rows);

    const plan = planStage(input, context);

    expect(plan.steps).toBe(maxSteps ?? schedule.steps);
    expect(plan.steps).toBeGreaterThanOrEqual(3);
    expect(plan.rows).toBe(rows.length);
    expect(plan.packedTokens).toBe(rows.reduce((sum, { usedTokens }) => sum + usedTokens, 0));
    expect(plan.supervisedTokens).toBe(batches.reduce((sum, { supervisedTokens }) => sum + supervisedTokens, 0));
    expect(plan.largestBatch).toEqual({
      rows: 2,
      supervisedTokens: Math.max(...batches.map(({ supervisedTokens }) => supervisedTokens)),
      videoClips: Math.max(...batches.map(({ videoClips }) => videoClips.length)),
      audioClips: Math.max(...batches.map(({ audioClips }) => audioClips.length)),
    });
    expect(plan.clipPasses.videoClips).toBe(batches.reduce((sum, { videoClips }) => sum + videoClips.length, 0));
    expect(plan.distinctClips.videoClips).toBe(new Set(batches.flatMap(({ videoClips }) => videoClips)).size);
    expect(plan.clipPasses.audioClips).toBe(batches.reduce((sum, { audioClips }) => sum + audioClips.length, 0));
    expect(plan.heaviestRow.supervisedTokens).toBe(Math.max(...rows.map(({ supervisedTokens }) => supervisedTokens)));
    expect(Object.values(plan.tasks).reduce((sum, { samples }) => sum + samples, 0)).toBe(rows.flatMap(({ segments }) => segments).filter(({ sampleId }) => sampleId !== undefined).length);
    expect(plan.sharingSaves).toBeGreaterThan(0.05);
  }
});

test("where everything is learned, a tree's prefix counts once, a task's share are its branches", () => {
  const shared = { prefixKey: "A", prefix: [1, 2, 3, 4], answer: 1 } as const;
  const samples = [toySample({ ...shared, id: "A:msa", task: "msa", branch: [5, 6, 7] }), toySample({ ...shared, id: "A:erc", task: "erc", branch: [8, 9] })];
  const input: StageInput = { stage: "one", seed: 1, samples: samples.map(outlineOf), mixture: { msa: 1, erc: 1 }, budget: { epochs: 1, rowTokens: 10, rowsPerBatch: 1, accumulation: 1 } };

  const plan = planStage(input, { ...context, supervise: "everything" });

  // The first token of prefix and branches is predicted by nothing: 3 + 2 + 1.
  expect(plan.supervisedTokens).toBe(6);
  expect(plan.heaviestRow.supervisedTokens).toBe(6);
  expect(plan.largestBatch.supervisedTokens).toBe(6);
  expect(plan.tasks).toMatchObject({ msa: { supervisedTokens: 2, meanAnswerTokens: 1 }, erc: { supervisedTokens: 1, meanAnswerTokens: 1 } });
});

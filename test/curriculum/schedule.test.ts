import { expect, test } from "vitest";
import { drawEpoch, epochShares, numberPrefixes } from "../../src/curriculum/mixture.ts";
import { finder, outlineOf } from "../../src/curriculum/outline.ts";
import { locateStep, scheduleStage, stepBatches } from "../../src/curriculum/schedule.ts";
import type { StageInput } from "../../src/curriculum/schedule.ts";
import { randomSamples, toySample } from "./toy-samples.ts";

const SAMPLES = randomSamples(1, 90);
const spec = { encode: finder(SAMPLES), featureRows: { videoTokens: 0, audioTokens: 0 } };
const budget = { epochs: 2.5, rowTokens: 64, rowsPerBatch: 2, accumulation: 3 };
const input = (changes: Partial<StageInput> = {}): StageInput => ({ stage: "one", seed: 7, samples: SAMPLES.map(outlineOf), mixture: { msa: 0.8, erc: 0.5, fer: 0.3 }, budget, ...changes });

test("any step built on its own equals the same step of a run from the start", () => {
  const whole = scheduleStage(input());
  const run = Array.from({ length: whole.steps }, (_, i) => stepBatches(whole, i + 1, spec));

  const resumed = scheduleStage(input());

  expect(whole.steps).toBeGreaterThan(6);
  for (const step of [whole.steps, 4, 1]) expect(stepBatches(resumed, step, spec)).toEqual(run[step - 1]);
  expect(stepBatches(resumed, 2, spec)).not.toEqual(run[0]);
});

test("the steps of an epoch hold each drawn sample once; only the last step of an epoch is ragged", () => {
  const schedule = scheduleStage(input());
  const byEpoch = schedule.epochs.map((): string[] => []);
  const raggedSteps: number[] = [];
  for (let step = 1; step <= schedule.steps; step++) {
    const batches = stepBatches(schedule, step, spec);
    const rows = batches.flatMap((batch) => batch.rows);
    const { epoch, index } = locateStep(schedule, step);
    byEpoch[epoch]?.push(...rows.flatMap(({ segments }) => segments.flatMap(({ sampleId }) => sampleId ?? [])));
    expect(batches.slice(0, -1).every(({ batchSize }) => batchSize === 2)).toBe(true);
    if (rows.length < 6) raggedSteps.push(index + 1 - (schedule.epochs[epoch]?.steps ?? 0));
  }

  const { stage, seed, mixture } = input();
  const drawn = epochShares(budget.epochs).map((share, epoch) => Array.from(drawEpoch(SAMPLES, numberPrefixes(SAMPLES), mixture, { seed, stage, epoch, share }).items, (i) => SAMPLES[i]!.id));
  expect(byEpoch.map((ids) => [...ids].sort())).toEqual(drawn.map((ids) => [...ids].sort()));
  expect(Math.min(...byEpoch.map((ids) => ids.length))).toBeGreaterThan(20);
  expect(raggedSteps.length).toBeGreaterThan(0);
  expect(new Set(raggedSteps)).toEqual(new Set([0]));
  expect(drawn[2]?.length).toBeLessThan(0.7 * (drawn[0]?.length ?? 0));
});

test("seven rows in steps of four rows are two steps per epoch, found by number", () => {
  const samples = Array.from({ length: 7 }, (_, i) => toySample({ id: `s${i}`, prefixKey: `k${i}`, prefix: [1, 2], branch: [3, 4] }));

  const schedule = scheduleStage(input({ samples: samples.map(outlineOf), mixture: { erc: 1 }, budget: { epochs: 2, rowTokens: 5, rowsPerBatch: 2, accumulation: 2 } }));

  expect(schedule.steps).toBe(4);
  expect([1, 2, 3, 4].map((step) => locateStep(schedule, step))).toEqual([{ epoch: 0, index: 0 }, { epoch: 0, index: 1 }, { epoch: 1, index: 0 }, { epoch: 1, index: 1 }]);
  expect([1, 2].map((step) => stepBatches(schedule, step, { ...spec, encode: finder(samples) }).map(({ batchSize }) => batchSize))).toEqual([[2, 2], [2, 1]]);
  expect(() => locateStep(schedule, 5)).toThrow("step 5 of 4");
});

test("maxSteps ends the stage earlier and changes no step before", () => {
  const short = scheduleStage(input({ budget: { ...budget, maxSteps: 3 } }));

  expect(short.steps).toBe(3);
  expect(stepBatches(short, 3, spec)).toEqual(stepBatches(scheduleStage(input()), 3, spec));
});

test("epochs behind maxSteps are not drawn", () => {
  const first = scheduleStage(input()).epochs[0]?.steps ?? 0;

  const short = scheduleStage(input({ budget: { ...budget, epochs: 10_000, maxSteps: first + 1 } }));

  expect(first).toBeGreaterThan(1);
  expect({ epochs: short.epochs.length, steps: short.steps }).toEqual({ epochs: 2, steps: first + 1 });
});

test("over-long samples of the mixture's tasks are set aside, those of other tasks are not looked at", () => {
  const long = Array<number>(80).fill(5);
  const others = [toySample({ id: "long", prefixKey: "long", prefix: long, branch: [1, 2] }), toySample({ id: "other", task: "ecpe", prefixKey: "other", prefix: long, branch: [1, 2] })];

  const schedule = scheduleStage(input({ samples: [...SAMPLES, ...others].map(outlineOf) }));

  expect(schedule.tooLong.map(({ sample, tokens }) => [sample.id, tokens])).toEqual([["long", 82]]);
  expect(schedule.epochs[0]?.rows).toEqual(scheduleStage(input()).epochs[0]?.rows);
});

test("nothing to train on is an error that says why", () => {
  const long = toySample({ id: "long", prefixKey: "long", prefix: Array<number>(80).fill(5), branch: [1, 2] });

  expect(() => scheduleStage(input({ samples: [outlineOf(long)] }))).toThrow(
    "DataError stages.one: no sample to train on: 1 in the training split for msa, erc, fer, 1 of them longer than a row.\n  Check the labels in train.jsonl, raise the levels of the mixture or budget.rowTokens.",
  );
});

import * as tf from "@tensorflow/tfjs-core";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { finder, outlineOf } from "../../src/curriculum/outline.ts";
import { scheduleStage, stepBatches, type StageBudget, type StageSchedule } from "../../src/curriculum/schedule.ts";
import { batchFeatures } from "../../src/model/batch-features.ts";
import { generateGreedy } from "../../src/model/generate.ts";
import type { ParamStore } from "../../src/model/params.ts";
import { type EncodedSample, IGNORE_INDEX } from "../../src/text/encoded-sample.ts";
import { disposeMoments, moment } from "../../src/train/adamw.ts";
import type { RunEvent } from "../../src/train/events.ts";
import { trainStage, type StageRun } from "../../src/train/train-stage.ts";
import { useDeviceDouble } from "../backend/device-double.ts";
import { answersByPrompt } from "../model/generated.ts";
import { useBackend } from "../model/support.ts";
import { toyConfig } from "../model/toy-model.ts";
import { TOY_MEDIA_ROWS, toyBatch, toyClipSamples, toyMedia, toyWeights } from "./toy-rows.ts";

const TIMEOUT_MS = 60_000;
const ALL_TASKS = { msa: 1, erc: 1, fer: 1, eri: 1, ecpe: 1 };
const SAMPLES = ["a", "text b", "c", "sound d", "e"].flatMap((clip) => toyClipSamples(clip, ["msa", "erc"])).concat(toyClipSamples("text f", ["eri"], { answer: 5 }));

beforeEach(() => useBackend("cpu"));

describe.each(["cpu", "onnxruntime"])("on %s", (backend) => {
  beforeEach(() => useBackend(backend));

  test("three batches of a row, one batch of three rows and a single long row take the same step", { timeout: TIMEOUT_MS }, async () => {
    const layouts = [
      { rowTokens: 80, rowsPerBatch: 1, accumulation: 3 },
      { rowTokens: 80, rowsPerBatch: 3, accumulation: 1 },
      { rowTokens: 240, rowsPerBatch: 1, accumulation: 1 },
    ];
    const results: { step: StepEvent; params: ParamStore; moments: Snapshot["moments"]; batches: number }[] = [];
    for (const budget of layouts) {
      // A clipped gradient and a small learning rate, so that AdamW's division by the gradient's size does not magnify rounding.
      const run = stageRun({ budget, learningRate: 1e-3 });
      const [step] = steps(await collect(run));
      results.push({ step: step!, params: run.params, moments: snapshot(run).moments, batches: stepBatches(run.schedule, 1, run.batchSpec).length });
    }

    const [first, ...others] = results;
    expect(results.map(({ batches }) => batches)).toEqual([3, 1, 1]);
    for (const { step, moments } of others) {
      expect(step.supervisedTokens).toBe(35);
      expect(step.loss / first!.step.loss).toBeCloseTo(1, 6);
      expect(step.gradientNorm / first!.step.gradientNorm).toBeCloseTo(1, 5);
      for (const task of ["msa", "erc", "eri"] as const) expect(step.taskLoss[task]! / first!.step.taskLoss[task]!).toBeCloseTo(1, 5);
      // The first moment after one step is the clipped mean gradient times 1 - beta1.
      const scale = Math.max(...[...moments.values()].map(({ first: m }) => largest(m)));
      expect(moments.size).toBe(first!.params.names().length);
      for (const [name, { first: m }] of moments) {
        const other = first!.moments.get(name)!.first;
        expect(largest(m.map((value, i) => value - other[i]!)) / scale, name).toBeLessThan(1e-5);
      }
    }
  });

  test("going on from any step gives the weights and moments of never having stopped, bit for bit", { timeout: TIMEOUT_MS }, async () => {
    const budget = { epochs: 2, rowTokens: 80, rowsPerBatch: 1, accumulation: 1 };
    const whole = stageRun({ budget });
    const snapshots = new Map<number, Snapshot>();
    const events = steps(await collect({ ...whole, saveEverySteps: 1, save: (step) => Promise.resolve(void snapshots.set(step, snapshot(whole))).then(() => `step ${step}`) }));
    const epochEnd = whole.schedule.epochs[0]!.steps;
    expect(epochEnd).toBeGreaterThan(2);
    expect(events.length).toBeGreaterThan(epochEnd + 1);

    for (const cut of [1, epochEnd - 1, epochEnd, events.length - 1]) {
      const resumed = stageRun({ budget, from: snapshots.get(cut)!, step: cut, seed: 2 }); // all its weights come from the snapshot
      const rest = steps(await collect(resumed));

      expect(rest.map(({ step, loss, gradientNorm, taskLoss, learningRate }) => ({ step, loss, gradientNorm, taskLoss, learningRate }))).toEqual(
        events.slice(cut).map(({ step, loss, gradientNorm, taskLoss, learningRate }) => ({ step, loss, gradientNorm, taskLoss, learningRate })),
      );
      expectEqualSnapshots(snapshot(resumed), snapshots.get(events.length)!);
    }
  });

  test("the number of living tensors stays the same from the second step on", { timeout: TIMEOUT_MS }, async () => {
    const budget = { epochs: 6, rowTokens: 120, rowsPerBatch: 2, accumulation: 1 };

    const alive = steps(await collect(stageRun({ budget }))).map(({ tensorsAlive }) => tensorsAlive);

    expect(alive.length).toBeGreaterThanOrEqual(6);
    expect(new Set(alive.slice(1, 6)).size).toBe(1);
  });
});

test.each([["with", true], ["without", false]] as const)("a device %s kernels of ours takes the host's steps, each with one read and all tensors in their place", { timeout: TIMEOUT_MS }, async (_, ownKernels) => {
  const budget = { epochs: 2, rowTokens: 80, rowsPerBatch: 1, accumulation: 2 };
  const host = stageRun({ budget });
  const expected = steps(await collect(host));
  const device = stageRun({ budget });
  const { reads } = await useDeviceDouble({ ownKernels, params: device.params });
  const readsAfter: number[] = [0];
  const events: RunEvent[] = [];
  for await (const event of trainStage(device)) {
    events.push(event);
    readsAfter.push(reads());
  }

  const got = steps(events);
  const updates = ownKernels ? 0 : 4 * device.learningRates.size;
  expect(got.length).toBe(expected.length);
  expect(got.length).toBeGreaterThan(2);
  got.forEach((step, i) => {
    expect(step.loss / expected[i]!.loss).toBeCloseTo(1, 5);
    expect(step.gradientNorm / expected[i]!.gradientNorm).toBeCloseTo(1, 5);
    expect(readsAfter[i + 1]! - readsAfter[i]!).toBe(1 + updates);
  });
  expect(new Set(got.slice(1).map(({ tensorsAlive }) => tensorsAlive)).size).toBe(1);
  for (const [name, { step, first }] of host.start.moments) {
    const moments = device.start.moments.get(name)!;
    expect(moments.step).toBe(step);
    expect(moments.first.size).toBe(first.size);
  }
  disposeMoments(device.start.moments);
});

test("on a device, a gradient that is not finite stops before the update, with its name", { timeout: TIMEOUT_MS }, async () => {
  const run = stageRun({ budget: { rowTokens: 80 } });
  await useDeviceDouble({ ownKernels: true, params: run.params });
  const broken = "language_model.model.layers.0.mlp.down_proj.weight";
  run.params.set(broken, tf.fill(run.params.get(broken).shape, Infinity));
  const alive = tf.memory().numTensors;

  await expect(collect(run)).rejects.toThrow(/^SystemError stage toy, step 1: the loss or a gradient is not finite\. Got loss NaN, expected a number; first gradient: \S+ \(\d+ in all\)\./);
  expect(run.start.moments.size).toBe(0);
  expect(tf.memory().numTensors).toBe(alive);
});

test("one batch is learnt by heart, and generation then writes its targets", { timeout: TIMEOUT_MS }, async () => {
  await useBackend("onnxruntime");
  const samples = [...toyClipSamples("a", ["msa", "eri"], { answer: 4 }), ...toyClipSamples("c", ["erc"], { answer: 4 })];
  const run = stageRun({ samples, budget: { epochs: 60, rowTokens: 80, rowsPerBatch: 1, accumulation: 1 }, learningRate: 2e-2 });

  const losses = steps(await collect(run)).map(({ loss }) => loss);
  const answers = await generated(run, samples, 4);

  expect(losses[0]).toBeGreaterThan(2);
  expect(losses.at(-1)).toBeLessThan(0.05);
  expect(answers).toEqual(samples.map(target));
  expect(new Set(answers.map(String)).size).toBe(3);
});

test("the losses of the tasks, times their tokens, add up to the loss", async () => {
  const samples = [...toyClipSamples("text a", ["msa"], { answer: 2 }), ...toyClipSamples("text b", ["msa", "eri"], { answer: 5 })];
  const [step] = steps(await collect(stageRun({ samples, budget: { rowTokens: 60 } })));

  const { taskLoss, loss, supervisedTokens, tokens } = step!;
  expect(supervisedTokens).toBe(12);
  expect(tokens).toBe(samples.reduce((sum, { branch }) => sum + branch.inputIds.length, 0) + samples[0]!.prefix.inputIds.length + samples[1]!.prefix.inputIds.length);
  expect(Object.keys(taskLoss)).toEqual(["msa", "eri"]);
  expect((taskLoss.msa! * 7 + taskLoss.eri! * 5) / 12).toBeCloseTo(loss, 6);
  expect(taskLoss.msa).not.toBeCloseTo(taskLoss.eri!, 2);
});

test("words of prompts count as much as the stage says, in the loss and in every gradient", async () => {
  const learned = (segment: EncodedSample["branch"]): EncodedSample["branch"] => ({ ...segment, labels: segment.labels.map((label, i) => (label >= 0 ? label : (segment.inputIds[i + 1] ?? IGNORE_INDEX))) });
  const prefixes = new Map(SAMPLES.map(({ prefix }) => [prefix, learned(prefix)]));
  const samples = SAMPLES.map((sample) => ({ ...sample, prefix: prefixes.get(sample.prefix)!, branch: learned(sample.branch) }));
  const answers = samples.reduce((sum, { answerTokens }) => sum + answerTokens, 0);
  const outcome = async (promptWeight: number): Promise<{ sums: readonly number[]; labels: number }> => {
    const run = stageRun({ samples, promptWeight, budget: { maxSteps: 1 }, optimizer: { clipNorm: 1e9 } });
    const [step] = steps(await collect(run));
    const weight = answers + promptWeight * (step!.supervisedTokens - answers);
    return { sums: [step!.loss, ...[...snapshot(run).moments.values()].map(({ first }) => first.reduce((a, b) => a + b, 0))].map((mean) => mean * weight), labels: step!.supervisedTokens };
  };

  const [none, quarter, all] = [await outcome(0), await outcome(0.25), await outcome(1)];

  expect(all.labels).toBeGreaterThan(3 * answers);
  // Sums over labels are linear in the weight.
  expect(quarter.sums.length).toBeGreaterThan(50);
  for (const [i, sum] of quarter.sums.entries()) expect(sum).toBeCloseTo(0.75 * none.sums[i]! + 0.25 * all.sums[i]!, 3);
  expect(all.sums[0]! / none.sums[0]!).toBeGreaterThan(2);
});

test("the largest gradient norm is kept: what reaches the optimizer has at most that length", async () => {
  const clipped = stageRun({ optimizer: { clipNorm: 0.25 }, budget: { maxSteps: 1 } });
  const free = stageRun({ optimizer: { clipNorm: 1e9 }, budget: { maxSteps: 1 } });

  const [small] = steps(await collect(clipped));
  const [large] = steps(await collect(free));

  expect(large!.gradientNorm).toBeGreaterThan(0.5);
  expect(small!.gradientNorm).toBe(large!.gradientNorm); // told as it was
  expect(firstMomentNorm(clipped) / 0.1).toBeCloseTo(0.25, 5);
  expect(firstMomentNorm(free) / 0.1 / large!.gradientNorm).toBeCloseTo(1, 5);
});

test("frozen parameters stay as they are to the bit, trained ones move", async () => {
  const run = stageRun({ trained: /^(mlp1|language_model\.model\.layers\.1)\./ });
  const before = snapshot(run).weights;

  await collect(run);

  const after = snapshot(run).weights;
  const moved = [...before.keys()].filter((name) => !Buffer.from(before.get(name)!.buffer).equals(Buffer.from(after.get(name)!.buffer)));
  expect(moved).toEqual([...run.learningRates.keys()]);
  expect(moved.length).toBe(18);
  expect([...run.start.moments.keys()]).toEqual(moved);
});

test("the learning rate follows its schedule, each parameter its own peak", async () => {
  const run = stageRun({ budget: { rowTokens: 80 }, schedule: { kind: "linear", warmup: 0.5, floor: 0 }, learningRate: 0.01 });
  const quick = "language_model.model.norm.weight";
  (run.learningRates as Map<string, number>).set(quick, 0.02);

  const rates = steps(await collect(run)).map(({ learningRate }) => learningRate);

  expect(rates.length).toBe(3);
  [0.01, 0.02, 0.02].forEach((rate, i) => expect(rates[i]).toBeCloseTo(rate, 9)); // 2 steps of warm-up, then down from the peak
});

test("a loss that is not finite stops before the update, says where, and frees what it made", async () => {
  const run = stageRun({ budget: { rowTokens: 80 } });
  const events: RunEvent[] = [];
  for await (const event of trainStage({ ...run, saveEverySteps: 1 })) {
    events.push(event);
    if (event.kind === "checkpoint") break;
  }
  const { moments } = snapshot(run);
  const broken = "language_model.model.layers.0.mlp.down_proj.weight";
  const infinite = run.params.get(broken).dataSync<"float32">().slice().fill(Infinity, 0, 1);
  run.params.set(broken, tf.tensor(infinite, run.params.get(broken).shape));
  const before = snapshot(run);
  const alive = tf.memory().numTensors;

  const rest = collect({ ...run, start: { ...run.start, step: 1 } });

  await expect(rest).rejects.toThrow(/^SystemError stage toy, step 2: the loss or a gradient is not finite\. Got loss NaN, expected a number; first gradient: \S+ \(\d+ in all\)\.\n  The weights are those of the last good step\. Lower the learning rate or optimizer\.clipNorm, and go on with --resume from the last checkpoint\.$/);
  expectEqualSnapshots(snapshot(run), before);
  expect(snapshot(run).moments).toEqual(moments);
  expect(moments.size).toBe(run.params.names().length);
  expect(tf.memory().numTensors).toBe(alive);
});

test("checkpoints come at their interval and at the end; evaluation comes before the checkpoint of its step, and after the last step", async () => {
  const run = stageRun({ budget: { epochs: 2, rowTokens: 80, maxSteps: 5 } });
  const evaluate = { everySteps: 2, run: (step: number) => stream({ kind: "warning", message: `evaluated after step ${step}` }) };

  const events = await collect({ ...run, saveEverySteps: 2, evaluate });

  expect(events.map(brief)).toEqual(["step 1", "step 2", "evaluated after step 2", "interval 2", "step 3", "step 4", "evaluated after step 4", "interval 4", "step 5", "evaluated after step 5", "end 5"]);
});

test("the last step has one checkpoint, though the interval ends there too", async () => {
  const events = await collect({ ...stageRun({ budget: { rowTokens: 80, maxSteps: 2 } }), saveEverySteps: 1 });

  expect(events.map(brief)).toEqual(["step 1", "interval 1", "step 2", "end 2"]);
});

test("a signal ends the loop after the step in hand, with a checkpoint; before the first step there is nothing to lose", async () => {
  const stop = new AbortController();
  const run = stageRun({ budget: { epochs: 2, rowTokens: 80 }, signal: stop.signal });
  const events: RunEvent[] = [];
  for await (const event of trainStage(run)) {
    events.push(event);
    if (event.kind === "step" && event.step === 2) stop.abort("SIGINT");
  }

  const again = await collect(stageRun({ signal: stop.signal }));

  expect(events.map(brief)).toEqual(["step 1", "step 2", "interrupted 2"]);
  expect(again.map(brief)).toEqual(["interrupted 0"]);
});

test("a stage that is finished already only names its checkpoint", async () => {
  const run = stageRun({ budget: { maxSteps: 1 }, step: 1 });

  expect((await collect(run)).map(brief)).toEqual(["end 1"]);
});

type StepEvent = Extract<RunEvent, { kind: "step" }>;

interface ToyRun {
  readonly samples?: readonly EncodedSample[];
  readonly budget?: Partial<StageBudget>;
  readonly learningRate?: number;
  readonly optimizer?: Partial<StageRun["optimizer"]>;
  readonly schedule?: StageRun["learningRateSchedule"];
  readonly promptWeight?: number;
  readonly trained?: RegExp;
  readonly from?: Snapshot;
  readonly step?: number;
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

/** One epoch over all samples in one row per step, everything trained. */
function stageRun({ samples = SAMPLES, budget, learningRate = 1e-2, optimizer, schedule: learningRateSchedule, trained = /./, from, step = 0, seed = 1, promptWeight = 0, signal }: ToyRun): StageRun {
  const params = toyWeights(seed);
  onTestFinished(() => params.dispose());
  for (const [name, values] of from?.weights ?? []) params.set(name, tf.tensor(values.slice(), params.get(name).shape));
  const names = params.names().filter((name) => trained.test(name));
  params.setTrainable(names);
  const schedule: StageSchedule = scheduleStage({ stage: "toy", seed: 5, samples: samples.map(outlineOf), mixture: ALL_TASKS, budget: { epochs: 1, rowTokens: 240, rowsPerBatch: 1, accumulation: 1, ...budget } });
  return {
    stage: "toy",
    params,
    config: toyConfig,
    schedule,
    batchSpec: { encode: finder(samples), featureRows: TOY_MEDIA_ROWS },
    media: (batch) => Promise.resolve(toyMedia(batch)),
    learningRates: new Map(names.map((name) => [name, learningRate])),
    promptWeight,
    learningRateSchedule: learningRateSchedule ?? { kind: "cosine", warmup: 0.1, floor: 0.1 },
    optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1, ...optimizer },
    start: { step, moments: new Map([...(from?.moments ?? [])].map(([name, { step: steps, first, second }]) => [name, { step: steps, first: moment(first.slice()), second: moment(second.slice()) }])) },
    save: (saved) => Promise.resolve(`step ${saved}`),
    saveEverySteps: 1000,
    signal: signal ?? new AbortController().signal,
  };
}

interface Snapshot {
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly moments: ReadonlyMap<string, { readonly step: number; readonly first: Float32Array; readonly second: Float32Array }>;
}

function snapshot({ params, start }: Pick<StageRun, "params" | "start">): Snapshot {
  const numbers = (tensor: tf.Tensor): Float32Array => tensor.dataSync<"float32">().slice();
  return {
    weights: new Map(params.names().map((name) => [name, numbers(params.get(name))])),
    moments: new Map([...start.moments].map(([name, { step, first, second }]) => [name, { step, first: numbers(first), second: numbers(second) }])),
  };
}

function expectEqualSnapshots(actual: Snapshot, expected: Snapshot): void {
  expect(expected.weights.size).toBeGreaterThan(50);
  for (const [name, values] of expected.weights) expect(Buffer.from(actual.weights.get(name)!.buffer).equals(Buffer.from(values.buffer)), name).toBe(true);
  expect([...actual.moments.keys()]).toEqual([...expected.moments.keys()]);
  for (const [name, moments] of expected.moments) expect(actual.moments.get(name), name).toEqual(moments);
}

/** The answers of an open prompt per sample, all in one row. */
async function generated({ params }: StageRun, samples: readonly EncodedSample[], answer: number): Promise<number[][]> {
  const open = samples.map((sample): EncodedSample => ({ ...sample, branch: { ...sample.branch, inputIds: sample.branch.inputIds.slice(0, -answer), labels: sample.branch.labels.slice(0, -answer).fill(-100) } }));
  const schedule = scheduleStage({ stage: "toy", seed: 5, samples: open.map(outlineOf), mixture: ALL_TASKS, budget: { epochs: 1, rowTokens: 80, rowsPerBatch: 1, accumulation: 1 } });
  const batch = toyBatch(...stepBatches(schedule, 1, { encode: finder(open), featureRows: TOY_MEDIA_ROWS })[0]!.rows);
  const ends = samples.map(({ id }) => batch.rows[0]!.segments.find(({ sampleId }) => sampleId === id)!).map(({ start, length }) => start + length - 1);
  const row = { ...batch, features: () => batchFeatures(params, toyConfig, toyMedia(batch)), ends };
  return answersByPrompt(generateGreedy(params, toyConfig, { rows: [row], maxNewTokens: answer, stopIds: new Set() }));
}

function target({ branch }: EncodedSample): number[] {
  return [...branch.labels].filter((label) => label >= 0);
}

function firstMomentNorm({ start }: StageRun): number {
  return Math.sqrt([...start.moments.values()].reduce((sum, { first }) => sum + first.dataSync<"float32">().reduce((own, value) => own + value * value, 0), 0));
}

async function collect(run: StageRun): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of trainStage(run)) events.push(event);
  return events;
}

function steps(events: readonly RunEvent[]): StepEvent[] {
  return events.filter((event) => event.kind === "step");
}

function brief(event: RunEvent): string {
  switch (event.kind) {
    case "step":
      return `step ${event.step}`;
    case "checkpoint":
      return `${event.reason} ${event.step}`;
    case "warning":
      return event.message;
    default:
      return event.kind;
  }
}

async function* stream(...events: readonly RunEvent[]): AsyncGenerator<RunEvent> {
  for (const event of events) yield await Promise.resolve(event);
}

function largest(values: ArrayLike<number>): number {
  return Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

test.each([
  ["JavaScript", new RangeError("Array buffer allocation failed")],
  ["ONNX Runtime", new Error("ONNX Runtime: Non-zero status code returned while running Gemm node: Failed to allocate memory for requested buffer of size 17179869184")],
])("memory that runs out in %s names the step, the rows, their tokens and samples", async (_, full) => {
  const run = stageRun({ budget: { epochs: 1, rowTokens: 80, rowsPerBatch: 1, accumulation: 1 } });
  const [batch] = stepBatches(run.schedule, 1, run.batchSpec);
  const { usedTokens, segments } = batch!.rows[0]!;
  const samples = segments.flatMap(({ sampleId }) => sampleId ?? []);
  expect(samples.length).toBeGreaterThan(0);

  const failing = collect({ ...run, media: () => { throw full; } });

  await expect(failing).rejects.toThrow(
    `SystemError stage ${run.stage}, step 1: the memory is full. Got a batch of 1 row: ${usedTokens} of 80 tokens (${samples.join(", ")}).\n` +
      "  Lower budget.rowTokens or budget.rowsPerBatch, or set budget.gradientCheckpointing: true, and go on with --resume from the last checkpoint. m2se plan tells what a stage needs.",
  );
});

test("an error that is not about memory stays what it is", async () => {
  const run = stageRun({ budget: { epochs: 1, rowTokens: 80, rowsPerBatch: 1, accumulation: 1 } });
  const broken = new Error("internal error: something else");

  await expect(collect({ ...run, media: () => { throw broken; } })).rejects.toBe(broken);
});

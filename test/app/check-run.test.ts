import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkRun, type CheckEvent, type CheckReport, planRun } from "../../src/app/index.ts";
import { openExperiment, samplesOf } from "../../src/app/experiment.ts";
import type { RunConfig } from "../../src/config/index.ts";
import { openDataset } from "../../src/data/dataset.ts";
import { sampleLength } from "../../src/text/encoded-sample.ts";
import { encodeSamples } from "../../src/text/encode.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { toyRunConfig, toyWorkplace, withStage, writeToyDataset } from "./toy-experiment.ts";

const TIMEOUT_MS = 60_000;
const place = toyWorkplace();
const { signal } = new AbortController();

async function check(config: RunConfig, options: { readonly fixOut?: string; readonly media?: "none" } = {}): Promise<{ readonly report: CheckReport; readonly found: readonly string[] }> {
  const events: CheckEvent[] = [];
  for await (const event of checkRun({ config, signal, ...options })) events.push(event);
  const report = events.flatMap((event) => (event.type === "report" ? [event.report] : []))[0];
  if (report === undefined) throw new Error("no report");
  return { report, found: events.flatMap((event) => (event.type === "finding" ? [`${event.kind} ${event.where.replace(`${config.data.root}/`, "")}: ${event.what}`] : [])) };
}

test("a sound dataset has nothing bad; lengths, heaviest record and needs agree with the plan", { timeout: TIMEOUT_MS }, async () => {
  const config = toyRunConfig(place.folder);

  const { report, found } = await check(config);
  const { stages } = await planRun({ config, stages: ["see"], signal });

  expect(found).toEqual([]);
  expect(report.splits.train).toMatchObject({ records: 3, withAudio: 0 });
  expect(report.clips).toBe(report.splits.train!.withVideo + report.splits.val!.withVideo + report.splits.test!.withVideo);
  expect(report.splits.train?.tasks.msa?.samples).toBe(stages[0]?.tasks.msa?.available);
  expect(report.splits.train?.tasks.erc?.samples).toBe(stages[0]?.tasks.erc?.available);
  const { histogram, longest, samples, median, p95 } = report.splits.train!.tasks.erc!;
  expect(Object.values(histogram).reduce((sum, count) => sum + count, 0)).toBe(samples);
  expect(median <= p95 && p95 <= longest).toBe(true);
  expect(report.splits.train!.heaviest!.tokens).toBeGreaterThanOrEqual(longest);
  expect(report.stages.map(({ stage }) => stage)).toEqual(["see", "explain"]);
  // The expectation over draws, beside what was drawn.
  expect(Math.abs(report.stages[0]!.tokens / stages[0]!.packedTokens - 1)).toBeLessThan(0.15);
  expect(Math.abs(report.stages[0]!.memory.weights / stages[0]!.memory.weights - 1)).toBeLessThan(1e-9);
});

test("needs are the plan's where steps are few, inputs are switched off, towers are frozen, clips are more than memory holds, or words of a dialogue are drawn apart", { timeout: TIMEOUT_MS }, async () => {
  const config = toyRunConfig(place.folder);
  const budget = config.stages[0]!.budget;
  const needs = async (changed: RunConfig) => {
    const [checked, planned] = [(await check(changed, { media: "none" })).report.stages[0]!, (await planRun({ config: changed, stages: ["see"], signal })).stages[0]!];
    return { checked, planned };
  };

  const few = await needs(withStage(config, "see", { budget: { ...budget, epochs: 50, maxSteps: 3 } }));
  expect(few.checked.tokens).toBe(3 * budget.accumulation * budget.rowTokens);
  expect(few.planned.packedTokens).toBeLessThanOrEqual(few.checked.tokens);

  const silent = await needs({ ...config, data: { ...config.data, modalities: ["text"] } });
  expect([silent.checked.memory.clips, silent.planned.memory.clips]).toEqual([0, 0]);
  expect(silent.checked.memory.activations.inputs / silent.planned.memory.activations.inputs).toBeCloseTo(1, 1);

  const frozen = await needs(withStage({ ...config, data: { ...config.data, memoryGigabytes: 1e-5 } }, "see", { trainable: [{ match: "^language_model", learningRate: 1e-2 }] }));
  expect([frozen.checked.memory.clips, frozen.planned.memory.clips]).toEqual([0.01, 0.01]);

  const dialogues = await needs(withStage({ ...config, data: { ...config.data, emotionPrompt: "dialogue" } }, "see", { mixture: { erc: 0.3 }, budget: { ...budget, rowTokens: 2000, epochs: 20 } }));
  expect(Math.abs(dialogues.checked.tokens / dialogues.planned.packedTokens - 1)).toBeLessThan(0.1);
});

test("a task at level 0 is switched off: nobody misses its labels, and its samples may have any length", { timeout: TIMEOUT_MS }, async () => {
  const root = join(await temporaryFolder(), "data");
  await writeToyDataset(root);
  await writeFile(join(root, "train.jsonl"), (await readFile(join(root, "train.jsonl"), "utf8")).replace(/,"reason":"[^"]*"/g, ""));
  const base = toyRunConfig(place.folder);
  const config: RunConfig = withStage({ ...base, data: { ...base.data, root }, levels: { off: 0 } }, "explain", { mixture: { msa: 1, eri: "off", ecpe: 0 }, budget: { ...base.stages[1]!.budget, rowTokens: 200 } });

  const { report, found } = await check(config, { media: "none" });
  const { stages } = await planRun({ config, stages: ["explain"], signal });

  expect(found).toEqual([]);
  expect(Object.keys(report.splits.train!.tasks)).toEqual(["msa", "erc", "fer"]);
  expect(Object.keys(stages[0]!.tasks)).toEqual(["msa"]);
  expect(stages[0]!.tasks.msa!.samples).toBeGreaterThan(0);
});

test("samples that exceed their stage's rows are found with their length", { timeout: TIMEOUT_MS }, async () => {
  const config = toyRunConfig(place.folder);
  const short = withStage(config, "explain", { budget: { ...config.stages[1]!.budget, rowTokens: 100 } });

  const { found } = await check(short, { media: "none" });

  expect(found.length).toBeGreaterThan(0);
  expect(found.every((text) => /^over-budget train\.jsonl:\d+: the sample \S+:(eri|ecpe) has \d+ tokens, budget\.rowTokens of stage explain is 100$/.test(text))).toBe(true);
});

test("lengths are those of training where conversations show no clip", { timeout: TIMEOUT_MS }, async () => {
  const config: RunConfig = { ...toyRunConfig(place.folder), data: { ...toyRunConfig(place.folder).data, conversationClip: "none" } };
  const experiment = await openExperiment(config);
  const trained = encodeSamples(samplesOf(experiment, "train", ["ecpe"]), { ...experiment.encoding, supervise: "answers" });

  const shown = (await check(toyRunConfig(place.folder), { media: "none" })).report.splits.train!.tasks.ecpe!;
  const hidden = (await check(config, { media: "none" })).report.splits.train!.tasks.ecpe!;

  expect(hidden).toMatchObject({ samples: trained.length, longest: Math.max(...trained.map(sampleLength)) });
  expect(hidden.longest).toBeLessThan(shown.longest);
});

test("what is bad is left out of the fixed dataset, which has nothing bad", { timeout: TIMEOUT_MS }, async () => {
  const root = join(await temporaryFolder(), "data");
  await writeToyDataset(root);
  const train = (await readFile(join(root, "train.jsonl"), "utf8")).trim().split("\n");
  await writeFile(join(root, "train.jsonl"), [...train, "{", train[0]].join("\n"));
  const clips = (await openTest(root)).slice(0, 2);
  await truncate(clips[0]!, 1000);
  await rm(clips[1]!);
  const config: RunConfig = { ...toyRunConfig(place.folder), data: { ...toyRunConfig(place.folder).data, root } };
  const fixOut = join(root, "../fixed");

  const { report, found } = await check(config, { fixOut });

  expect(found.map((text) => text.split(" ")[0]).sort()).toEqual(expect.arrayContaining(["bad-line", "no-file", "unreadable"]));
  expect(report.fixed).toEqual({ out: fixOut, records: 5, leftOut: 2, changed: 1 });
  const again = await check({ ...config, data: { ...config.data, root: fixOut } });
  expect(again.found).toEqual([]);
  const fixed = await openDataset(fixOut);
  expect(fixed.records("test").flatMap(({ utterances }) => utterances.map(({ media, mediaStatus }) => [media === undefined, mediaStatus])).slice(0, 2)).toEqual([[true, "unreadable"], [true, "no-file"]]);
});

test("a stage whose task no record is labelled for, and a dataset without records, are told", { timeout: TIMEOUT_MS }, async () => {
  const root = join(await temporaryFolder(), "data");
  await writeToyDataset(root);
  const config: RunConfig = { ...toyRunConfig(place.folder), data: { ...toyRunConfig(place.folder).data, root } };
  const train = await readFile(join(root, "train.jsonl"), "utf8");
  await writeFile(join(root, "train.jsonl"), train.replace(/,"reason":"[^"]*"/g, ""));

  expect((await check(config, { media: "none" })).found).toEqual(["no-samples train.jsonl: stage explain trains eri, but no record has a label of it"]);
  for (const split of ["train", "val", "test"]) await rm(join(root, `${split}.jsonl`));
  await expect(check(config)).rejects.toThrow(`DataError ${root}: no records here, expected at least one line in train.jsonl, val.jsonl, test.jsonl.`);
});

/** Paths of the test split's clips, in order. */
async function openTest(root: string): Promise<readonly string[]> {
  const dataset = await openDataset(join(place.folder, "data"));
  return dataset.records("test").flatMap(({ utterances }) => utterances.flatMap((utterance) => (utterance.media?.video === undefined ? [] : [join(root, utterance.media.video)])));
}

test("a folder that does not exist is said to, before anything else", { timeout: TIMEOUT_MS }, async () => {
  const config = toyRunConfig(place.folder);
  const root = join(place.folder, "nowhere");

  await expect(check({ ...config, data: { ...config.data, root } })).rejects.toThrow(`DataError ${root}: the dataset's root does not exist.`);
});

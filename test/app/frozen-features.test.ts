import { readdir, readFile, rename, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { memory } from "@tensorflow/tfjs-core";
import { beforeEach, expect, test, vi } from "vitest";
import { evalRun, type EvalEvent, type PrepareEvent, planRun, prepareRun, type PrepareOptions } from "../../src/app/index.ts";
import type { RunConfig } from "../../src/config/index.ts";
import { openDataset } from "../../src/data/dataset.ts";
import type * as loadClipModule from "../../src/media/load-clip.ts";
import { readModelFolder } from "../../src/model/checkpoints/hf-folder.ts";
import { forwardFlops } from "../../src/model/flops.ts";
import type * as audioModule from "../../src/model/audio.ts";
import type * as visionModule from "../../src/model/vision.ts";
import type { RunEvent } from "../../src/train/events.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { stepsOf, toyRunConfig, toyWorkplace, train, withStage, writeToyDataset } from "./toy-experiment.ts";

/** How often a clip was decoded and a tower run. */
const work = vi.hoisted(() => ({ decoded: 0, encoded: 0 }));
vi.mock("../../src/media/load-clip.ts", async (original) => {
  const real = await original<typeof loadClipModule>();
  return { ...real, loadClip: (...args: Parameters<typeof real.loadClip>) => ((work.decoded += 1), real.loadClip(...args)) };
});
vi.mock("../../src/model/vision.ts", async (original) => {
  const real = await original<typeof visionModule>();
  return { ...real, encodeImages: (...args: Parameters<typeof real.encodeImages>) => ((work.encoded += 1), real.encodeImages(...args)) };
});
vi.mock("../../src/model/audio.ts", async (original) => {
  const real = await original<typeof audioModule>();
  return { ...real, encodeSounds: (...args: Parameters<typeof real.encodeSounds>) => ((work.encoded += 1), real.encodeSounds(...args)) };
});

const TIMEOUT_MS = 120_000;
const TRAINED_BUT_TOWERS = [{ match: "^(language_model|mlp1|audio_mlp)\\.", learningRate: 1e-2 }];
const place = toyWorkplace();

beforeEach(() => Object.assign(work, { decoded: 0, encoded: 0 }));

test.each(["float32", "bfloat16", "float16"] as const)("with features of %s, a run that finds all of them and a run that keeps none have the same losses and weights, bit for bit", { timeout: TIMEOUT_MS }, async (featureType) => {
  const folder = await temporaryFolder();
  const stages = featureType === "float32" ? 2 : 1;
  const config = { ...frozen(join(folder, "cache"), { featureType }), stages: frozen("").stages.slice(0, stages) };
  const uncached = await train(withData(config, { cache: join(folder, "tiny"), cacheGigabytes: 1e-9, memoryGigabytes: 0 }), join(folder, "uncached"));
  const encodedWithout = work.encoded;
  const prepared = await prepare(config);
  Object.assign(work, { decoded: 0, encoded: 0 });

  const cached = await train(withData(config, { memoryGigabytes: 0 }), join(folder, "cached"));

  expect([work.decoded, work.encoded]).toEqual([0, 0]);
  expect(encodedWithout).toBeGreaterThan(prepared.computed); // every clip of every batch
  expect(featuresOf(uncached).map(({ read }) => read)).toEqual(stages === 2 ? [0, 0] : [0]);
  expect(featuresOf(cached).map(({ computed }) => computed)).toEqual(stages === 2 ? [0, 0] : [0]);
  expect(featuresOf(cached)[0]!.read).toBeGreaterThan(0);
  expect(numbersOf(cached)).toEqual(numbersOf(uncached));
  expect(numbersOf(cached).length).toBeGreaterThan(2 * stages);
  for (const stage of ["stage-1", "stage-2"].slice(0, stages)) expect((await weightsOf(join(folder, "cached"), stage)).equals(await weightsOf(join(folder, "uncached"), stage)), stage).toBe(true);
});

test("the type of the features counts: 16 bits take half the space and give other losses, bfloat16 others than float16", { timeout: TIMEOUT_MS }, async () => {
  const folder = await temporaryFolder();
  const losses: number[] = [];
  const sizes: number[] = [];
  for (const featureType of ["float32", "float16", "bfloat16"] as const) {
    const config = oneStage(frozen(join(folder, featureType), { featureType }));
    const { bytes } = await prepare(config);
    sizes.push(bytes);
    losses.push(stepsOf(await train(config, join(folder, `run-${featureType}`)))[0]!.loss);
  }

  expect(new Set(losses).size).toBe(3);
  for (const loss of losses) expect(Math.abs(loss / losses[0]! - 1)).toBeLessThan(1e-2);
  expect(sizes[1]).toBe(sizes[2]);
  expect(sizes[1]! / sizes[0]!).toBeLessThan(0.63); // the towers are so small that the files' headers show
});

test("the second epoch spends less than a twentieth of the first's time on media and towers, and evaluation runs no tower on what the stages have seen", { timeout: TIMEOUT_MS }, async () => {
  const folder = await temporaryFolder();
  const config = oneStage(frozen(join(folder, "cache")));
  const runDir = join(folder, "run");

  const events = await train(config, runDir);

  const [first, second] = featuresOf(events)[0]!.mediaSeconds;
  expect(first).toBeGreaterThan(0);
  expect(second! / first!).toBeLessThan(0.05);
  const inSteps = stepsOf(events).reduce((sum, { mediaMilliseconds }) => sum + mediaMilliseconds, 0) / 1000;
  expect(inSteps).toBeGreaterThan(second!);
  expect(inSteps).toBeLessThan(first! + second!);

  Object.assign(work, { decoded: 0, encoded: 0 });
  const scores = await evaluate(runDir, ["msa", "erc", "fer"]);
  const clips = work.decoded;
  expect(clips).toBeGreaterThan(0);
  expect(work.encoded).toBe(2 * clips); // of the test split, by two towers; three tasks share them
  Object.assign(work, { decoded: 0, encoded: 0 });
  const again = await evaluate(runDir, ["msa", "erc", "fer", "eri"]);
  expect([work.decoded, work.encoded]).toEqual([0, 0]);
  expect(again.slice(0, 3)).toEqual(scores);
  const trainSplit = await evaluate(runDir, ["msa"], "train");
  expect(trainSplit).toHaveLength(1);
  expect([work.decoded, work.encoded]).toEqual([0, 0]);
});

test("damaged, cut and exchanged entries are computed again, with a counted warning, and change no number", { timeout: TIMEOUT_MS }, async () => {
  const folder = await temporaryFolder();
  const config = oneStage(frozen(join(folder, "cache")));
  const first = await prepare(config);
  const whole = numbersOf(await train(config, join(folder, "whole")));
  const other = await prepare({ ...config, seed: 8 }); // other towers
  expect([other.computed, other.present]).toEqual([first.computed, 0]);
  const names = await stateFiles(config);
  const good = await readFile(names[0]!);
  const twin = names.find((name) => name !== names[0] && partKey(name) === partKey(names[0]!))!; // the same clip by the other tower
  const damage = async (): Promise<void> => {
    await writeFile(names[0]!, good.map((byte, i) => (i === good.length - 3 ? byte ^ 1 : byte)));
    await truncate(names[2]!, 100);
    await truncate(names[3]!, 0);
    await rename(twin, names[0]!);
  };

  await damage();
  const again = [await prepareEvents(config), await prepareEvents({ ...config, seed: 8 })];
  const summaries = again.map((events) => summaryOf(events));
  expect(summaries.reduce((sum, { rebuilt }) => sum + rebuilt, 0)).toBe(3);
  expect(summaries.reduce((sum, { computed }) => sum + computed, 0)).toBe(1); // what was renamed is gone
  expect(again.flat().flatMap((event) => (event.kind === "warning" ? [event.message.replace(/^\d+/, "N").replace(folder, "")] : []))).toContain("N damaged files in the cache /cache were made again");
  expect((await readFile(names[0]!)).equals(good)).toBe(true);

  for (const name of await stateFiles(config)) await truncate(name, 50);
  const events = await train(config, join(folder, "damaged"));
  expect(numbersOf(events)).toEqual(whole);
  const { rebuilt, computed } = featuresOf(events)[0]!;
  expect([rebuilt > 0, computed]).toEqual([true, 0]);
  expect(events.filter(({ kind }) => kind === "warning")).toEqual([{ kind: "warning", message: `${rebuilt} damaged files in the cache ${config.data.cache} were made again` }]);
});

test("a cache smaller than the features drops those not used for longest, says so once, and changes no number", { timeout: TIMEOUT_MS }, async () => {
  const folder = await temporaryFolder();
  const config = oneStage(frozen(join(folder, "cache")));
  const { bytes } = await prepare(config);
  const whole = numbersOf(await train(config, join(folder, "whole")));
  const small = withData(config, { cache: join(folder, "small"), cacheGigabytes: bytes / 3 / 1e9, memoryGigabytes: 0 });

  const events = await train(small, join(folder, "run"));

  expect(numbersOf(events)).toEqual(whole);
  const warnings = events.flatMap((event) => (event.kind === "warning" ? [event.message] : []));
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/small is full: \d+ files were removed, to be made again when they are needed; data\.cacheGigabytes sets its size$/);
  const sizes = await Promise.all((await stateFiles(small)).map(async (name) => (await readFile(name)).length));
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(bytes / 3);
});

test("shards together write what one run writes, byte for byte, and each clip once", { timeout: TIMEOUT_MS }, async () => {
  const folder = await temporaryFolder();
  const [whole, parts] = [frozen(join(folder, "whole")), frozen(join(folder, "parts"))];
  const all = await prepare(whole);
  const shards = [];
  for (const index of [2, 3, 1]) shards.push(await prepare(parts, { shard: { index, count: 3 } }));
  const again = await prepare(parts);

  expect(all).toMatchObject({ computed: 2 * all.clips, present: 0, rebuilt: 0, unreadable: 0 });
  for (const key of ["clips", "computed", "bytes"] as const) expect(shards.reduce((sum, shard) => sum + shard[key], 0), key).toBe(all[key]);
  expect(shards.every(({ clips }) => clips >= Math.floor(all.clips / 3) && clips > 0)).toBe(true);
  expect(again).toMatchObject({ clips: all.clips, computed: 0, present: all.computed, bytes: 0 });
  const [one, other] = [await stateFiles(whole), await stateFiles(parts)];
  expect(one.length).toBe(all.computed);
  expect(one.map((name) => name.replace("/whole/", "/parts/"))).toEqual(other);
  for (const [i, name] of one.entries()) expect((await readFile(name)).equals(await readFile(other[i]!)), name).toBe(true);
});

test("preparing tells how far it is, keeps no tensors, and decodes nothing twice; a stop between two clips is no error", { timeout: TIMEOUT_MS }, async () => {
  const folder = await temporaryFolder();
  const config = frozen(join(folder, "cache"));
  const stop = new AbortController();
  const cut: PrepareEvent[] = [];
  for await (const event of prepareRun({ config, runDir: join(folder, "run"), signal: stop.signal })) {
    cut.push(event);
    if (event.kind === "encoding" && event.done === 2) stop.abort("SIGINT");
  }
  expect(summaryOf(cut)).toMatchObject({ clips: 2, computed: 4 });

  const tensors = memory().numTensors;
  Object.assign(work, { decoded: 0, encoded: 0 });
  const events = await prepareEvents(config);

  expect(memory().numTensors).toBe(tensors);
  const { clips, computed, present } = summaryOf(events);
  expect([computed, present]).toEqual([2 * clips - 4, 4]);
  expect([work.decoded, work.encoded]).toEqual([clips - 2, 2 * clips - 4]);
  expect(events.flatMap((event) => (event.kind === "encoding" ? [event.done] : []))).toEqual(Array.from({ length: clips + 1 }, (_, i) => i));
  expect((await readdir(config.data.cache!)).sort()).toEqual(["states"]); // decoded clips are not kept
});

test("a tower that a stage trains is prepared for the stages behind it when that stage is done", { timeout: TIMEOUT_MS }, async () => {
  const folder = await temporaryFolder();
  const runDir = join(folder, "run");
  const config = withStage(withData(toyRunConfig(place.folder), { cache: join(folder, "cache") }), "explain", { trainable: TRAINED_BUT_TOWERS, mixture: { eri: 1, erc: 1 } });

  const early = await prepareEvents(config, { runDir });
  expect(early).toContainEqual({ kind: "warning", message: `explain: the video and audio tower is trained by see first, which is not finished in ${runDir}; prepare again when it is` });
  expect(summaryOf(early)).toMatchObject({ clips: 0, computed: 0 });

  const see = await train(config, runDir, { stages: ["see"] });
  expect(featuresOf(see)).toEqual([]); // no feature of a tower that is trained is stored
  const late = summaryOf(await prepareEvents(config, { runDir }));
  expect(late.computed).toBeGreaterThan(0);
  const explain = await train(config, runDir, { stages: ["explain"] });
  expect(featuresOf(explain)).toMatchObject([{ stage: "explain", computed: 0 }]);
  expect(featuresOf(explain)[0]!.read).toBeGreaterThan(0);
});

test("the plan counts a frozen tower's work once for a clip, however many epochs show it", { timeout: TIMEOUT_MS }, async () => {
  const folder = await temporaryFolder();
  const config = oneStage(frozen(join(folder, "cache")));
  const teraflopsOf = async (epochs: number, changes: Partial<RunConfig["stages"][number]> = {}): Promise<number> => {
    const longer = withStage(config, "see", { mixture: { msa: 1, erc: 1, fer: 1 }, ...changes, budget: { ...config.stages[0]!.budget, epochs } });
    return (await planRun({ config: longer, stages: ["see"], signal: new AbortController().signal })).stages[0]!.time.teraflops;
  };
  const [two, four, trained, trainedTwice] = [await teraflopsOf(2), await teraflopsOf(4), await teraflopsOf(2, { trainable: [{ match: ".*", learningRate: 1 }] }), await teraflopsOf(4, { trainable: [{ match: ".*", learningRate: 1 }] })];

  expect(trainedTwice / trained).toBeCloseTo(2, 5);
  const { config: model } = await readModelFolder(config.model.folder);
  const clips = (await openDataset(config.data.root)).records("train").flatMap(({ utterances }) => utterances).length;
  const towers = forwardFlops(model, { tokens: 0, pairs: 0, supervised: 0 }, { frames: 2 * clips, sounds: clips });
  expect(2 * two - four).toBeCloseTo((towers.vision + towers.audio) / 1e12, 9);
});

test("where every stage trains its towers there is nothing to prepare", { timeout: TIMEOUT_MS }, async () => {
  const events = await prepareEvents(toyRunConfig(place.folder));

  expect(events.map(({ kind }) => kind)).toEqual(["prepare-start", "warning", "prepared"]);
  expect(events[1]).toEqual({ kind: "warning", message: "every stage trains all towers that have an input: there is nothing to prepare" });
  expect(summaryOf(events)).toMatchObject({ clips: 0, computed: 0, bytes: 0 });
});

test("a clip that cannot be read is told when the others are done, or under onBad: drop counted", { timeout: TIMEOUT_MS }, async () => {
  const folder = await temporaryFolder();
  const root = join(folder, "data");
  await writeToyDataset(root);
  await truncate(join(root, "clips/train0004_utt3.mp4"), 1000);
  const config = withData(oneStage(frozen(join(folder, "cache"))), { root });
  const events: PrepareEvent[] = [];

  const failing = (async () => {
    for await (const event of prepareRun({ config, runDir: folder, signal: new AbortController().signal })) events.push(event);
  })();
  await expect(failing).rejects.toThrow(/^MediaError .*train0004_utt3\.mp4: /);
  const { clips, unreadable } = summaryOf(events);
  expect(unreadable).toBe(1);
  expect(clips).toBeGreaterThan(3);

  const dropping = await prepareEvents(withData(config, { onBad: "drop" }));
  expect(summaryOf(dropping)).toMatchObject({ clips, unreadable: 1, computed: 0 });
  expect(dropping).toContainEqual({ kind: "warning", message: "1 clips left out: unreadable media" });
});

function withData(config: RunConfig, data: Partial<RunConfig["data"]>): RunConfig {
  return { ...config, data: { ...config.data, ...data } };
}

/** Two stages that leave the towers as they start. */
function frozen(cache: string, data: Partial<RunConfig["data"]> = {}): RunConfig {
  const config = withData(toyRunConfig(place.folder), { ...data, cache });
  return { ...config, stages: config.stages.map((stage) => ({ ...stage, trainable: TRAINED_BUT_TOWERS })) };
}

function oneStage(config: RunConfig): RunConfig {
  return { ...config, stages: config.stages.slice(0, 1) };
}

async function prepareEvents(config: RunConfig, options: Partial<PrepareOptions> = {}): Promise<PrepareEvent[]> {
  const events: PrepareEvent[] = [];
  for await (const event of prepareRun({ config, runDir: join(place.folder, "no run"), signal: new AbortController().signal, ...options })) events.push(event);
  return events;
}

async function prepare(config: RunConfig, options: Partial<PrepareOptions> = {}): Promise<PrepareEvent & { kind: "prepared" }> {
  return summaryOf(await prepareEvents(config, options));
}

function summaryOf(events: readonly PrepareEvent[]): PrepareEvent & { kind: "prepared" } {
  const last = events.at(-1);
  if (last?.kind !== "prepared") throw new Error(`the last event is ${last?.kind}`);
  return last;
}

async function evaluate(runDir: string, tasks: readonly ("msa" | "erc" | "fer" | "eri")[], split: "train" | "test" = "test"): Promise<unknown[]> {
  const events: EvalEvent[] = [];
  for await (const event of evalRun({ source: { runDir }, tasks, split, signal: new AbortController().signal })) events.push(event);
  return events.flatMap((event) => (event.kind === "scores" ? [event.scores.metrics] : []));
}

function featuresOf(events: readonly RunEvent[]): (RunEvent & { kind: "features" })[] {
  return events.filter((event) => event.kind === "features");
}

function numbersOf(events: readonly RunEvent[]): unknown[] {
  return stepsOf(events).map(({ loss, taskLoss, gradientNorm }) => ({ loss, taskLoss, gradientNorm }));
}

async function weightsOf(runDir: string, stage: string): Promise<Buffer> {
  const newest = (await readdir(join(runDir, stage))).filter((name) => name.startsWith("step-")).sort().at(-1)!;
  return readFile(join(runDir, stage, newest, "model.safetensors"));
}

async function stateFiles({ data }: RunConfig): Promise<string[]> {
  const entries = await readdir(join(data.cache!, "states"), { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort();
}

function partKey(name: string): string {
  return name.split("/").at(-1)!.split("-")[0]!;
}

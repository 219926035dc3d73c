import { mkdir, readdir, readFile, symlink, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { memory } from "@tensorflow/tfjs-core";
import { expect, test, vi } from "vitest";
import { planRun, trainRun } from "../../src/app/index.ts";
import type { RunConfig } from "../../src/config/index.ts";
import { loraSchema } from "../../src/config/schema.ts";
import type { RunEvent } from "../../src/train/events.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { oneStep, stepsOf, toyRunConfig, toyWorkplace, train, withStage, writeToyDataset, writeToyModel } from "./toy-experiment.ts";

const disk = vi.hoisted((): { isFull: boolean } => ({ isFull: false }));
vi.mock("../../src/train/optimizer-file.ts", async (original) => {
  const real = await original<{ readonly writeOptimizer: (...args: unknown[]) => Promise<unknown> }>();
  const { describeSystemError } = await import("../../src/core/files.ts");
  const noSpace = Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
  const write = async (...args: unknown[]): Promise<unknown> => {
    if (disk.isFull) throw describeSystemError(noSpace, "optimizer.safetensors");
    return real.writeOptimizer(...args);
  };
  return { ...real, writeOptimizer: write };
});

const TIMEOUT_MS = 60_000;
const place = toyWorkplace();

test("stopping after every single step and going on gives, byte for byte, the checkpoints of never having stopped", { timeout: TIMEOUT_MS }, async () => {
  const checkpoints = { everySteps: 3, keep: 2, best: { task: "msa", everySteps: 2, samples: 2 } } as const;
  const explain = { checkpoints, budget: { epochs: 1, maxSteps: 3, rowTokens: 420, rowsPerBatch: 1, accumulation: 2, gradientCheckpointing: false } };
  const config = withStage(withStage(toyRunConfig(place.folder), "see", { checkpoints }), "explain", explain);
  const [whole, cut] = [join(place.folder, "whole"), join(place.folder, "cut")];
  const living: number[] = [];
  const noteTensors = ({ kind }: RunEvent): void => {
    if (kind === "stage-start") living.push(memory().numTensors);
  };
  const uninterrupted = await train(config, whole, { onEvent: noteTensors });
  expect(living).toEqual([living[0], living[0]]); // the first stage left none behind

  let stops = 0;
  const seen: unknown[] = [];
  for (let isStopped = true; isStopped; stops++) {
    const events = await train(config, cut, { resume: stops > 0, stopAfter: isStep });
    seen.push(...events.flatMap(numbersOf));
    isStopped = events.some(isStep);
  }

  const steps = stepsOf(uninterrupted).length;
  expect(steps).toBe(7); // two epochs of two steps in the first stage, three steps of one in the second
  expect(stops).toBe(steps + 1);
  expect(seen).toEqual(uninterrupted.flatMap(numbersOf));
  expect(uninterrupted.filter(({ kind }) => kind === "evaluation").length).toBe(4);
  for (const stage of ["stage-1", "stage-2"]) {
    const folder = (await readdir(join(whole, stage))).filter((name) => name.startsWith("step-")).sort().at(-1)!;
    for (const file of ["model.safetensors", "optimizer.safetensors", "state.json", "manifest.json"]) {
      const [expected, actual] = [await readFile(join(whole, stage, folder, file)), await readFile(join(cut, stage, folder, file))];
      expect(actual.equals(expected), `${stage}/${folder}/${file}`).toBe(true);
      expect(expected.length).toBeGreaterThan(100);
    }
    expect((await readdir(join(cut, stage))).length).toBeGreaterThanOrEqual(2);
  }

  const tensors = memory().numTensors;
  const again = await train(config, whole, { resume: true });
  expect(memory().numTensors).toBe(tensors); // weights and moments of both stages were loaded
  expect(kindsOf(again)).toEqual(["run-start", "stage-start", "stage-start"]);
  await expect(train({ ...config, seed: 8 }, whole, { resume: true })).rejects.toThrow(/made with other settings: seed: got 8, expected \d+\.\n {2}Go on with the config that the run was started with, or start in a new run directory\.$/);
  expect(JSON.parse(await readFile(join(whole, "config.json"), "utf8"))).toMatchObject({ seed: 7 });
});

test("gradient checkpointing may be switched on by going on: the weights become, byte for byte, those without it", { timeout: TIMEOUT_MS }, async () => {
  const config = { ...toyRunConfig(place.folder), stages: toyRunConfig(place.folder).stages.slice(0, 1) };
  const [kept, recomputed] = [join(place.folder, "kept"), join(place.folder, "recomputed")];
  await train(config, kept);
  await train(config, recomputed, { stopAfter: isStep });

  const checkpointing = withStage(config, "see", { budget: { ...config.stages[0]!.budget, gradientCheckpointing: true } });
  const events = await train(checkpointing, recomputed, { resume: true });

  expect(stepsOf(events).length).toBe(3);
  const weights = (folder: string): Promise<Buffer> => readFile(join(folder, "stage-1/step-000004/model.safetensors"));
  expect((await weights(recomputed)).equals(await weights(kept))).toBe(true);
});

test("the plan's numbers are those of the training that follows", { timeout: TIMEOUT_MS }, async () => {
  const config = withStage(toyRunConfig(place.folder), "explain", { lora: loraSchema.parse({ rank: 2, alpha: 4, targets: "language_model\\..*\\.[qv]_proj" }), trainable: [{ match: "lora_", learningRate: 1e-2 }] });
  const { stages } = await planRun({ config, stages: ["see", "explain"], signal: new AbortController().signal });
  const runDir = join(place.folder, "planned");

  const events = await train(config, runDir);

  expect(stages.map(({ stage }) => stage)).toEqual(["see", "explain"]);
  for (const plan of stages) {
    const steps = stepsOf(events).filter(({ stage }) => stage === plan.stage);
    expect(steps.length).toBe(plan.steps);
    expect(sum(steps.map(({ supervisedTokens }) => supervisedTokens))).toBe(plan.supervisedTokens);
    expect(sum(steps.map(({ tokens }) => tokens))).toBe(plan.packedTokens);
    expect(Object.keys(plan.tasks).sort()).toEqual([...new Set(steps.flatMap(({ taskLoss }) => Object.keys(taskLoss)))].sort());
    expect(events.find((event) => event.kind === "stage-start" && event.stage === plan.stage)).toMatchObject({ steps: plan.steps, trainableParameters: plan.trainableParameters, totalParameters: plan.totalParameters });
    expect(JSON.parse(await readFile(join(runDir, `plan-${plan.stage}.json`), "utf8"))).toEqual({ ...plan, time: { ...plan.time, seconds: null } }); // a run does not measure the device's rate first
  }
  // Two layers, rank 2: q 16 -> 16 and v 16 -> 8, A and B each.
  expect(stages[1]?.trainableParameters).toBe(2 * (2 * (16 + 16) + 2 * (16 + 8)));
});

test("what is written: the run's config, plans, provenance and every event with its time", { timeout: TIMEOUT_MS }, async () => {
  const runDir = join(place.folder, "written");
  const config = oneStep(toyRunConfig(place.folder));

  const events = await train(config, runDir);

  expect((await readdir(runDir)).sort()).toEqual(["config.json", "events.jsonl", "plan-explain.json", "plan-see.json", "provenance.json", "stage-1", "stage-2"]);
  const logged = (await readFile(join(runDir, "events.jsonl"), "utf8")).trim().split("\n").map((line) => JSON.parse(line) as { time: string });
  expect(logged.map(({ time: _, ...event }) => event)).toEqual(events);
  for (const { time } of logged) expect(new Date(time).getFullYear()).toBeGreaterThan(2000);
  expect(JSON.parse(await readFile(join(runDir, "config.json"), "utf8"))).toEqual(config);
});

test("a stage whose parent was not trained here, or not to its end, is refused before anything is written", { timeout: TIMEOUT_MS }, async () => {
  const config = toyRunConfig(place.folder);
  const runDir = join(place.folder, "orphan");

  const without = train(config, runDir, { stages: ["explain"] });
  await expect(without).rejects.toThrow(`CheckpointError ${join(runDir, "stage-1")}: stage "explain" starts from stage "see", which has no finished checkpoint here.\n  Train it first: m2se train --stage see with the same --run-dir.`);
  expect(existsSync(runDir)).toBe(false);

  await train(config, runDir, { stages: ["see"], stopAfter: isStep });
  const cut = train(config, runDir, { stages: ["explain"] });
  await expect(cut).rejects.toThrow(`CheckpointError ${join(runDir, "stage-1/step-000001")}: stage "see" was interrupted. Got 1 steps, expected 4.\n  Finish it first: m2se train --stage see --resume with the same --run-dir.`);
});

test("another experiment's run directory, trained stages without --resume, another base or tokenizer: each is refused and nothing is changed", { timeout: TIMEOUT_MS }, async () => {
  const runDir = join(place.folder, "taken");
  const modelFolder = join(place.folder, "other-model");
  await writeToyModel(modelFolder);
  const config = oneStep({ ...toyRunConfig(place.folder), model: { ...toyRunConfig(place.folder).model, folder: modelFolder } });
  await train(config, runDir, { stages: ["see"] });
  const before = await contentOf(runDir);

  await expect(train(config, runDir, { stages: ["see"] })).rejects.toThrow(`CheckpointError ${join(runDir, "stage-1")}: stage "see" has checkpoints here already.\n  Go on with --resume, or choose another --run-dir.`);
  const renamed: RunConfig = { ...config, stages: config.stages.slice(0, 1) };
  await expect(train(renamed, runDir, { stages: ["see"], resume: true })).rejects.toThrow(`CheckpointError ${runDir}: this run directory belongs to another experiment. Got stages see, expected see, explain.\n  Choose another --run-dir.`);
  const quicker = withStage(config, "see", { trainable: [{ match: ".*", learningRate: 1 }] });
  await expect(train(quicker, runDir, { stages: ["explain"] })).rejects.toThrow(
    `CheckpointError ${join(runDir, "stage-1/step-000001")}: made with other settings: stage.trainable.0.learningRate: got 1, expected 0.01.\n  Go on with the config that the run was started with, or start in a new run directory.`,
  );
  expect(await contentOf(runDir)).toEqual(before);

  const tokens = join(modelFolder, "tokenizer_config.json");
  const original = await readFile(tokens, "utf8");
  await writeFile(tokens, `${original}\n`);
  await expect(train(config, runDir, { stages: ["explain"] })).rejects.toThrow(/^CheckpointError \S+stage-1\/step-000001: made with another tokenizer: Got \w+, expected \w+\.\n {2}The tokenizer's files in the model folder have changed since: restore them, or train again\.$/);
  await writeFile(tokens, original);

  const path = join(modelFolder, "config.json");
  await writeFile(path, (await readFile(path, "utf8")).replace('"rope_theta":10000', '"rope_theta":5000'));
  await expect(train(config, runDir, { stages: ["explain"] })).rejects.toThrow(/^CheckpointError \S+stage-1\/step-000001: made with another base model: Got \w+, expected \w+\.\n {2}Use the model folder \(and, for a random start, the seed\)/);
  expect(existsSync(join(runDir, "stage-2"))).toBe(false);
});

test("a run does not go on over other samples: neither when the manifest has changed nor when another clip is dropped", { timeout: TIMEOUT_MS }, async () => {
  const root = join(await temporaryFolder(), "data");
  await writeToyDataset(root);
  const { data, ...rest } = toyRunConfig(place.folder);
  const config: RunConfig = { ...rest, data: { ...data, root, cache: join(root, "../cache"), onBad: "drop" } };
  const runDir = join(root, "../run");
  await train(config, runDir, { stages: ["see"], stopAfter: isStep });
  const resume = (): Promise<unknown> => train(config, runDir, { stages: ["see"], resume: true, stopAfter: isStep });
  const refusal = /^CheckpointError \S+stage-1\/step-000001: made with another set of training samples: Got \w+, expected \w+\.\n {2}train\.jsonl or the tokenizer has changed, or other clips cannot be read: restore them, or start in a new run directory\.$/;

  const manifest = await readFile(join(root, "train.jsonl"), "utf8");
  await writeFile(join(root, "train.jsonl"), manifest.replace('"polarity":"positive"', '"polarity":"negative"'));
  await expect(resume()).rejects.toThrow(refusal);

  await writeFile(join(root, "train.jsonl"), manifest);
  const clip = join(root, "clips/train0004_utt3.mp4");
  const content = await readFile(clip);
  await writeFile(clip, content.subarray(0, 1000));
  await expect(resume()).rejects.toThrow(refusal);

  await writeFile(clip, content);
  expect(stepsOf((await resume()) as RunEvent[]).map(({ step }) => step)).toEqual([2]);
});

test("a signal before the first step saves the beginning, and the run goes on from there", { timeout: TIMEOUT_MS }, async () => {
  const runDir = join(place.folder, "early");
  const config = oneStep(toyRunConfig(place.folder));

  const stopped = await train(config, runDir, { stages: ["see"], stopAfter: ({ kind }) => kind === "stage-start" });
  const resumed = await train(config, runDir, { stages: ["see"], resume: true });

  expect(stopped.filter(({ kind }) => kind !== "clips").slice(2)).toEqual([
    { kind: "checkpoint", stage: "see", step: 0, path: join(runDir, "stage-1/step-000000"), reason: "interrupted" },
    { kind: "interrupted", stage: "see", step: 0, signal: "SIGINT" },
  ]);
  expect(kindsOf(resumed)).toEqual(["run-start", "stage-start", "step", "checkpoint", "stage-end"]);
});

test("before the first stage the clips are told, from none to all", { timeout: TIMEOUT_MS }, async () => {
  const events = await train(oneStep(toyRunConfig(place.folder)), join(place.folder, "told"), { stages: ["see"], stopAfter: ({ kind }) => kind === "stage-start" });

  const clips = events.filter((event) => event.kind === "clips");
  const [first, last] = [clips[0], clips.at(-1)];
  expect(events.slice(1, clips.length + 1)).toEqual(clips); // behind run-start, without a gap
  expect(clips.length).toBeGreaterThan(2);
  expect(first).toEqual({ kind: "clips", done: 0, total: last?.total });
  expect(last?.done).toBe(last?.total);
  expect(clips.map(({ done }) => done)).toEqual([...clips.keys()]); // few clips: each is told
});

test("a signal during validation does not skip it: the best checkpoint is the same", { timeout: TIMEOUT_MS }, async () => {
  const config = withStage(toyRunConfig(place.folder), "see", { checkpoints: { everySteps: 100, keep: 1, best: { task: "msa", everySteps: 1, samples: 2 } } });

  const events = await train(config, join(place.folder, "validated"), { stages: ["see"], stopAfter: (event) => event.kind === "step" && event.step === 2 });

  expect(events.slice(-3).map((event) => [event.kind, "step" in event && event.step])).toEqual([["evaluation", 2], ["checkpoint", 2], ["interrupted", 2]]);
});

test("a disk that is full at the second checkpoint leaves the first, from which the run goes on to the same end", { timeout: TIMEOUT_MS }, async () => {
  const config = withStage(toyRunConfig(place.folder), "see", { checkpoints: { everySteps: 1, keep: 5 } });
  const [whole, runDir] = [join(place.folder, "roomy"), join(place.folder, "full")];
  await train(config, whole, { stages: ["see"] });

  const fillAtSecondStep = (event: RunEvent): void => {
    disk.isFull = event.kind === "step" && event.step === 2;
  };
  const failing = train(config, runDir, { stages: ["see"], onEvent: fillAtSecondStep });
  await expect(failing).rejects.toThrow(`SystemError ${join(runDir, "stage-1/step-000002")}: the disk is full. Free some space and run the command again.\n  The checkpoint was not saved; earlier ones are whole, --resume goes on from the newest.`);
  disk.isFull = false;
  expect(await readdir(join(runDir, "stage-1"))).toEqual(["step-000001"]);
  const rest = await train(config, runDir, { stages: ["see"], resume: true });

  expect(stepsOf(rest).map(({ step }) => step)).toEqual([2, 3, 4]);
  const manifest = "stage-1/step-000004/manifest.json";
  expect(await readFile(join(runDir, manifest), "utf8")).toBe(await readFile(join(whole, manifest), "utf8"));
});

test("a disk that is full when an event is written ends the run with its message", { timeout: TIMEOUT_MS }, async () => {
  const runDir = join(place.folder, "full-log");
  await mkdir(runDir);
  await symlink("/dev/full", join(runDir, "events.jsonl"));

  await expect(train(oneStep(toyRunConfig(place.folder)), runDir)).rejects.toThrow(`SystemError ${join(runDir, "events.jsonl")}: the disk is full`);
});

test("a consumer that stops listening closes the run: its log is whole", { timeout: TIMEOUT_MS }, async () => {
  const runDir = join(place.folder, "left");
  for await (const { kind } of trainRun({ config: toyRunConfig(place.folder), stages: ["see"], runDir, resume: false, signal: new AbortController().signal })) if (kind === "step") break;

  const lines = (await readFile(join(runDir, "events.jsonl"), "utf8")).trim().split("\n");
  expect(kindsOf(lines.map((line) => JSON.parse(line) as { kind: string }))).toEqual(["run-start", "stage-start", "step"]);
});

/** Without the progress of reading clips. */
function kindsOf(events: readonly { readonly kind: string }[]): string[] {
  return events.map(({ kind }) => kind).filter((kind) => kind !== "clips");
}

/** What a step or an evaluation computed, without times. */
function numbersOf(event: RunEvent): unknown[] {
  if (event.kind === "evaluation") return [event];
  return event.kind === "step" ? [{ ...event, milliseconds: 0, mediaMilliseconds: 0, megabytes: 0, tensorsAlive: 0 }] : [];
}

function isStep({ kind }: RunEvent): boolean {
  return kind === "step";
}

/** Every file below a folder with its bytes. */
async function contentOf(folder: string): Promise<Record<string, string>> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return Object.fromEntries(await Promise.all(files.map(async ({ parentPath, name }) => [join(parentPath, name), (await readFile(join(parentPath, name))).toString("base64")] as const)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

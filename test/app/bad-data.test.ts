import { existsSync } from "node:fs";
import { mkdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { evalRun, type EvalEvent, planRun } from "../../src/app/index.ts";
import type { RunConfig } from "../../src/config/index.ts";
import { UserError } from "../../src/core/errors.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { oneStep, stepsOf, toyRunConfig, toyWorkplace, train, withStage, writeToyDataset } from "./toy-experiment.ts";

const TIMEOUT_MS = 60_000;
const place = toyWorkplace();
const signal = new AbortController().signal;

test("a truncated clip stops the run with its path, or under onBad: drop leaves out and counts what needs it", { timeout: TIMEOUT_MS }, async () => {
  const root = join(await temporaryFolder(), "data");
  await writeToyDataset(root);
  for (const clip of ["train0004_utt3", "test0002_utt2"]) await cutInHalf(join(root, "clips", `${clip}.mp4`));
  const config = withRoot(oneStep(toyRunConfig(place.folder)), root);
  const dropping: RunConfig = { ...config, data: { ...config.data, onBad: "drop" } };
  const runDir = join(root, "../run");

  const failure: unknown = await train(config, runDir).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(UserError);
  expect((failure as UserError).exitCode).toBe(3);
  expect((failure as UserError).message).toMatch(new RegExp(`^MediaError ${join(root, "clips/train0004_utt3.mp4")}: .+\\.`));
  expect((failure as UserError).problems.length).toBe(1);
  await expect(planRun({ config, stages: ["see"], signal })).rejects.toThrow("train0004_utt3.mp4");

  const { stages } = await planRun({ config: dropping, stages: ["see", "explain"], signal });
  const events = await train(dropping, join(root, "../dropping"));
  expect(stages.map(({ drops }) => drops)).toEqual([{ "unreadable media": 3 }, { "unreadable media": 2 }]); // msa, erc, fer; eri and the target's ecpe
  expect(events.filter(({ kind }) => kind === "warning")).toEqual([{ kind: "warning", message: "5 samples left out: unreadable media" }]);
  expect(stepsOf(events).length).toBe(2);

  const evaluation = await evaluate(join(root, "../dropping"));
  expect(evaluation.filter(({ kind }) => kind === "warning")).toEqual([{ kind: "warning", message: "eri: 1 samples left out: unreadable media" }]);
  expect(evaluation.flatMap((event) => (event.kind === "scores" ? [event.scores.n] : []))).toEqual([1]);
});

test("a label outside its set, a broken line and a missing field are told together, with line and field, and nothing is written", { timeout: TIMEOUT_MS }, async () => {
  const root = join(await temporaryFolder(), "data");
  await writeToyDataset(root);
  const path = join(root, "train.jsonl");
  const lines = (await readFile(path, "utf8")).trim().split("\n");
  await writeFile(path, `${lines[0]}\n${lines[1]?.replace(/"emotion":"\w+"/, '"emotion":"happy"')}\n{"id":\n`);
  const runDir = join(root, "../run");

  const failure: unknown = await train(withRoot(toyRunConfig(place.folder), root), runDir).catch((error: unknown) => error);

  expect(failure).toBeInstanceOf(UserError);
  expect((failure as UserError).exitCode).toBe(3);
  expect((failure as UserError).problems.map(({ kind, where }) => [kind, where.split(" ")[0]])).toEqual([["DataError", `${path}:2`], ["DataError", `${path}:3`]]);
  expect((failure as UserError).message).toMatch(/train\.jsonl:2: record "train0011", utterances\[0\]\.emotion: got "happy", expected one of anger, /);
  expect(existsSync(runDir)).toBe(false);
});

test("a root without records, and one that does not exist, leave no run directory", { timeout: TIMEOUT_MS }, async () => {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "empty"));

  for (const [name, message] of [["empty", "no records here, expected at least one line in train.jsonl, val.jsonl, test.jsonl"], ["absent", "the dataset's root does not exist"]] as const) {
    await expect(train(withRoot(toyRunConfig(place.folder), join(folder, name)), join(folder, "run"))).rejects.toThrow(`DataError ${join(folder, name)}: ${message}`);
  }
  expect(existsSync(join(folder, "run"))).toBe(false);
});

test("a mixture without a sample, a row too short, a pattern without a parameter: each is told", { timeout: TIMEOUT_MS }, async () => {
  const config = toyRunConfig(place.folder);
  const tight = withStage(config, "see", { budget: { ...config.stages[0]!.budget, rowTokens: 110 } });
  const none = withStage(config, "see", { budget: { ...config.stages[0]!.budget, rowTokens: 60 } });
  const idle = withStage(config, "see", { trainable: [{ match: "vision_modle", learningRate: 1 }] });

  await expect(planRun({ config: tight, stages: ["see"], signal })).rejects.toThrow(/^DataError sample train00\d\d_utt\d:\w+: got \d+ tokens, expected at most 110\.\n {2}Set stages\.see\.budget\.rowTokens to at least \d+, lower data\.frames, or set data\.onBad: drop\.$/m);
  await expect(planRun({ config: none, stages: ["see"], signal })).rejects.toThrow(/^DataError stages\.see: no sample to train on: \d+ in the training split for msa, erc, fer, \d+ of them longer than a row/);
  await expect(planRun({ config: idle, stages: ["see"], signal })).rejects.toThrow('ConfigError stages.see.trainable[0].match: "vision_modle" matches none of 108 parameters');
});

test("a tokenizer with more tokens than the model has embeddings is refused", { timeout: TIMEOUT_MS }, async () => {
  const config = toyRunConfig(place.folder);
  const folder = await temporaryFolder();
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) await writeFile(join(folder, name), await readFile(join(config.model.folder, name)));
  await writeFile(join(folder, "config.json"), (await readFile(join(config.model.folder, "config.json"), "utf8")).replace('"vocab_size":1024', '"vocab_size":1000'));

  await expect(planRun({ config: { ...config, model: { ...config.model, folder } }, stages: ["see"], signal })).rejects.toThrow(
    `CheckpointError ${folder}: the tokenizer has 1024 tokens, but config.json has embeddings for 1000 (llm_config.vocab_size).\n  Tokenizer and model are not of one checkpoint.`,
  );
});

test("a task without a sample in the split is a warning, the others are evaluated", { timeout: TIMEOUT_MS }, async () => {
  const root = join(await temporaryFolder(), "data");
  await writeToyDataset(root);
  const path = join(root, "test.jsonl");
  await writeFile(path, (await readFile(path, "utf8")).replace(/"reason":"[^"]*",?/g, "").replace(/,}/g, "}"));
  const runDir = join(root, "../run");
  await train(withRoot(oneStep(toyRunConfig(place.folder)), root), runDir, { stages: ["see"] });

  expect(await evaluate(runDir)).toMatchObject([{ kind: "evaluation-start" }, { kind: "warning", message: "the test split has no sample of eri" }]);
});

async function evaluate(runDir: string): Promise<EvalEvent[]> {
  const events: EvalEvent[] = [];
  for await (const event of evalRun({ source: { runDir }, tasks: ["eri"], signal })) events.push(event);
  return events;
}

function withRoot(config: RunConfig, root: string): RunConfig {
  return { ...config, data: { ...config.data, root } };
}

async function cutInHalf(path: string): Promise<void> {
  await truncate(path, Math.floor((await stat(path)).size / 2));
}

/** @file An experiment that trains in a second: a few of the fixture's records, a very small model, two stages. */
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { type RunConfig, runConfigSchema } from "../../src/config/index.ts";
import { trainRun, type TrainOptions } from "../../src/app/index.ts";
import type { EmtRecord } from "../../src/data/record.ts";
import type { RunEvent } from "../../src/train/events.ts";
import { DATA, TOY_LANGUAGE_CONFIG } from "../eval/toy-predictor.ts";

const FIXTURE = join(DATA, "fixture");
/** The shortest dialogues of each split. */
const RECORDS = { train: ["train0010", "train0011", "train0004"], val: ["val0001"], test: ["test0002"] } as const;

/** A folder for the tests of a file, with dataset and model in it, removed at the end; clips are decoded once for all. */
export function toyWorkplace(): { readonly folder: string } {
  const workplace = { folder: "" };
  beforeAll(async () => {
    workplace.folder = await mkdtemp(join(tmpdir(), "m2se-app-"));
    await writeToyDataset(join(workplace.folder, "data"));
    await writeToyModel(join(workplace.folder, "model"));
  });
  afterAll(() => rm(workplace.folder, { recursive: true, force: true }));
  return workplace;
}

/** Some records of the fixture with their clips. */
export async function writeToyDataset(root: string): Promise<void> {
  await mkdir(join(root, "clips"), { recursive: true });
  for (const [split, ids] of Object.entries(RECORDS)) {
    const lines = (await readFile(join(FIXTURE, `${split}.jsonl`), "utf8")).trim().split("\n");
    const chosen = ids.map((id) => lines.find((line) => (JSON.parse(line) as EmtRecord).id === id) ?? "");
    await writeFile(join(root, `${split}.jsonl`), chosen.map((line) => `${line}\n`).join(""));
    for (const name of await readdir(join(FIXTURE, "clips"))) if (ids.some((id) => name.startsWith(`${id}_`))) await copyFile(join(FIXTURE, "clips", name), join(root, "clips", name));
  }
}

/** A Hugging Face style folder without weights. */
export async function writeToyModel(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const audio = { ...TOY_LANGUAGE_CONFIG.audio_config, num_mel_bins: 80 };
  await writeFile(join(folder, "config.json"), JSON.stringify({ ...TOY_LANGUAGE_CONFIG, audio_config: audio }));
  for (const name of ["tokenizer.json", "tokenizer_config.json"]) await copyFile(join(DATA, "tiny-emoverse", name), join(folder, name));
}

/** The experiment in a workplace: stage `see` on clips, then stage `explain` on reasons and causes. */
export function toyRunConfig(folder: string, changes: Readonly<Record<string, unknown>> = {}): RunConfig {
  const budget = { epochs: 2, rowTokens: 420, rowsPerBatch: 1, accumulation: 2 };
  const trainable = [{ match: ".*", learningRate: 1e-2 }];
  return runConfigSchema.parse({
    name: "toy",
    seed: 7,
    backend: "onnxruntime",
    data: { root: join(folder, "data"), frames: 2, cache: join(folder, "cache") },
    model: { folder: join(folder, "model"), init: "random", system: "You are an expert." },
    stages: [
      { name: "see", mixture: { msa: 0.9, fer: 0.9, erc: 0.9 }, trainable, budget },
      { name: "explain", initFrom: "see", mixture: { eri: 1, ecpe: 1 }, trainable, budget },
    ],
    eval: { rowTokens: 600 },
    ...changes,
  });
}

/** The config with the settings of one stage changed. */
export function withStage(config: RunConfig, name: string, changes: Partial<RunConfig["stages"][number]>): RunConfig {
  return { ...config, stages: config.stages.map((stage) => (stage.name === name ? { ...stage, ...changes } : stage)) };
}

export interface TrainToy extends Partial<Pick<TrainOptions, "stages" | "resume">> {
  /** Called with every event before the next is asked for. */
  readonly onEvent?: (event: RunEvent) => void;
  /** The event after which the user asks to stop. */
  readonly stopAfter?: (event: RunEvent) => boolean;
}

/** All events of a training run. */
export async function train(config: RunConfig, runDir: string, { stages = config.stages.map(({ name }) => name), resume = false, onEvent, stopAfter }: TrainToy = {}): Promise<RunEvent[]> {
  const stop = new AbortController();
  const events: RunEvent[] = [];
  for await (const event of trainRun({ config, stages, runDir, resume, signal: stop.signal })) {
    events.push(event);
    onEvent?.(event);
    if (stopAfter?.(event) === true) stop.abort("SIGINT");
  }
  return events;
}

export type StepEvent = Extract<RunEvent, { kind: "step" }>;

export function stepsOf(events: readonly RunEvent[]): StepEvent[] {
  return events.filter((event) => event.kind === "step");
}

/** A budget of one step for every stage. */
export function oneStep(config: RunConfig): RunConfig {
  return { ...config, stages: config.stages.map((stage) => ({ ...stage, budget: { ...stage.budget, maxSteps: 1 } })) };
}

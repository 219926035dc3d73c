/**
 * @file The whole job at full size without a download: a random model of InternVL2-1B's shape is written, loaded, planned, trained
 * for two LoRA steps on two clips by the preset emoverse-1b.yaml, evaluated and exported, through the real command line.
 * `npm run dry-run -- [--out DIR] [--frozen-base int8|float16] [CLIP.mp4 CLIP.mp4]`; without clips those of the fixture, without a
 * folder a temporary one.
 * Ends with a table of figures; exit code 1 when a step fails or a limit is passed.
 */
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { toJson, writeFileAtomic } from "../../src/core/files.ts";
import { INTERNVL2_1B } from "../bench/cases/internvl2-1b.ts";
import { type Measured, measuredNode } from "../measured-process.ts";
import { writeRandomModel } from "./random-model.ts";

const ROOT = join(import.meta.dirname, "../..");
const FIXTURE_CLIPS = ["train0001_utt1.mp4", "train0001_utt2.mp4"].map((name) => join(ROOT, "data/fixture/clips", name));
const STAGE = "multitask-pretraining";
const MOST_LOAD_SECONDS = 60;
const MOST_LOAD_GIGABYTES = 8;

interface Figure {
  readonly what: string;
  readonly value: string;
  readonly isMissed?: boolean;
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: "string" }, "frozen-base": { type: "string", default: "float32" } } });
const { "frozen-base": frozenBase } = values;
const out = resolve(values.out ?? (await mkdtemp(join(tmpdir(), "m2se-dry-run-"))));
const figures: Figure[] = [];
try {
  await dryRun();
} catch (error) {
  figures.push({ what: "failed", value: error instanceof Error ? error.message : String(error), isMissed: true });
} finally {
  if (values.out === undefined) await rm(out, { recursive: true, force: true });
}
for (const { what, value, isMissed } of figures) console.log(`${isMissed === true ? "MISSED" : "ok    "}  ${what.padEnd(28)} ${value}`);
process.exitCode = figures.some(({ isMissed }) => isMissed) ? 1 : 0;

async function dryRun(): Promise<void> {
  const model = join(out, "InternVL2-1B-random");
  const data = join(out, "data");
  const run = join(out, "run");
  await writeModel(model);
  await writeDataset(data, positionals.length > 0 ? positionals : FIXTURE_CLIPS);
  await load(model);
  const settings = [
    ["--config", join(ROOT, "configs/emoverse-1b.yaml"), "--backend", "onnxruntime"],
    ...[`model.folder=${model}`, `model.frozenBase=${frozenBase}`, `data.root=${data}`, `stages.${STAGE}.budget.maxSteps=2`, `stages.${STAGE}.budget.accumulation=1`].map((setting) => ["--set", setting]),
  ].flat();
  await plan(settings);
  await rm(run, { recursive: true, force: true });
  const checkpoint = await train([...settings, "--stage", STAGE, "--run-dir", run]);
  await evaluate(run);
  await exportBoth(checkpoint);
}

async function writeModel(folder: string): Promise<void> {
  if (existsSync(join(folder, "config.json"))) return;
  const started = performance.now();
  const { parameters, shards } = await writeRandomModel(folder, INTERNVL2_1B);
  const megabytes = process.resourceUsage().maxRSS / 1000;
  figures.push({ what: "model written", value: `${inMillions(parameters)} parameters, ${((2 * parameters) / 1e9).toFixed(2)} GB of BF16 in ${shards} shards, ${seconds(performance.now() - started)}, ${megabytes.toFixed(0)} MB of memory` });
}

/** One dialogue of the clips in both splits, labelled for the tasks of stage 1. */
async function writeDataset(root: string, clips: readonly string[]): Promise<void> {
  await mkdir(join(root, "clips"), { recursive: true });
  for (const clip of clips) await copyFile(clip, join(root, "clips", basename(clip)));
  for (const split of ["train", "test"]) {
    const utterances = clips.map((clip, i) => ({
      id: `${split}-${i}`,
      speaker: "Speaker",
      text: "I had no idea that it would be this long.",
      media: { video: `clips/${basename(clip)}` },
      sentiment: { polarity: i % 2 === 0 ? "positive" : "negative" },
      emotion: i % 2 === 0 ? "joy" : "sadness",
      expression: i % 2 === 0 ? ["Big smile"] : ["Downturned lips"],
    }));
    const records = utterances.map((utterance) => JSON.stringify({ id: utterance.id, source: "dry-run", split, utterances: [utterance] }));
    await writeFileAtomic(join(root, `${split}.jsonl`), `${records.join("\n")}\n`);
  }
  await writeFileAtomic(join(root, "dataset.json"), toJson({ name: "dry-run", source: "dry-run", counts: Object.fromEntries(["train", "test"].map((split) => [split, { records: clips.length, utterances: clips.length }])) }));
}

async function load(folder: string): Promise<void> {
  const done = succeeded("loading", await measuredNode(["--import", "tsx", join(import.meta.dirname, "load.ts"), folder, frozenBase]));
  const { seconds: took, parameters } = JSON.parse(done.stdout) as { seconds: number; parameters: number };
  figures.push({ what: "loaded", value: `${inMillions(parameters)} parameters in ${took.toFixed(1)} s (limit ${MOST_LOAD_SECONDS}), ${memory(done)} (limit ${MOST_LOAD_GIGABYTES})`, isMissed: took > MOST_LOAD_SECONDS || done.peakGigabytes > MOST_LOAD_GIGABYTES });
}

async function plan(settings: readonly string[]): Promise<void> {
  const done = succeeded("m2se plan", await m2se(["plan", ...settings, "--stage", STAGE]));
  const [{ stages }] = events(done, "plan") as [{ stages: readonly { memory: { peak: number }; time: { seconds: number; teraflops: number } }[] }];
  const { memory: need, time } = stages[0]!;
  figures.push({ what: "planned", value: `${(need.peak / 1000).toFixed(1)} GB and ${time.seconds.toFixed(0)} s (${time.teraflops.toFixed(1)} TFLOP) estimated; took ${done.seconds.toFixed(1)} s and ${memory(done)}` });
}

/** Returns the last checkpoint. */
async function train(args: readonly string[]): Promise<string> {
  const done = succeeded("m2se train", await m2se(["train", ...args]));
  const steps = events(done, "step") as readonly { loss: number; gradientNorm: number; milliseconds: number }[];
  const lines = steps.map(({ loss, gradientNorm, milliseconds }) => `loss ${loss.toFixed(3)}, gradient ${gradientNorm.toFixed(2)}, ${(milliseconds / 1000).toFixed(0)} s`);
  figures.push({ what: "trained", value: `${lines.join("; ")}; in all ${done.seconds.toFixed(0)} s, ${memory(done)}`, isMissed: steps.length !== 2 || steps.some(({ gradientNorm }) => !(gradientNorm > 0)) });
  const [{ checkpoint }] = events(done, "stage-end") as [{ checkpoint: string }];
  return checkpoint;
}

/** Closed answer sets only: a random model's free answers never end. */
async function evaluate(run: string): Promise<void> {
  const done = succeeded("m2se eval", await m2se(["eval", "--run-dir", run, "--task", "msa,erc"]));
  const scores = events(done, "scores") as readonly { scores: { task: string; n: number } }[];
  figures.push({ what: "evaluated", value: `${scores.map(({ scores: { task, n } }) => `${task} ${n} samples`).join(", ")}, ${done.seconds.toFixed(0)} s, ${memory(done)}`, isMissed: scores.length !== 2 });
}

async function exportBoth(checkpoint: string): Promise<void> {
  for (const format of ["peft", "merged"]) {
    const folder = join(out, format);
    await rm(folder, { recursive: true, force: true });
    const done = succeeded("m2se export", await m2se(["export", "--checkpoint", checkpoint, "--out", folder, "--format", format, "--backend", "onnxruntime"]));
    const [{ adapters, logits }] = events(done, "export") as [{ adapters: number; logits?: { difference: number } }];
    const check = logits === undefined ? "" : `, logits within ${logits.difference.toExponential(1)} of base with adapters`;
    figures.push({ what: `exported, ${format}`, value: `${adapters} adapters${check}, ${done.seconds.toFixed(0)} s, ${memory(done)}`, isMissed: adapters === 0 });
  }
}

function m2se(args: readonly string[]): Promise<Measured> {
  console.error(`m2se ${args.join(" ")}`);
  return measuredNode([join(ROOT, "src/cli/bin.mjs"), ...args, "--json"], (line) => {
    if (line.includes('"kind":"step"')) console.error(line);
  });
}

function events({ stdout }: Measured, kind: string): unknown[] {
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as { readonly kind?: string }).filter((event) => event.kind === kind);
}

function succeeded(what: string, done: Measured): Measured {
  if (done.code !== 0) throw new Error(`${what} ended with ${done.code}\n${done.stderr}`);
  return done;
}

function memory({ peakGigabytes }: Measured): string {
  return `${peakGigabytes.toFixed(2)} GB`;
}

function inMillions(count: number): string {
  return `${(count / 1e6).toFixed(0)}M`;
}

function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(0)} s`;
}

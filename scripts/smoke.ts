/**
 * @file The whole job through the real command line, on the committed fixture, in a temporary folder: plan, train both
 * stages, evaluate all tasks. Ends with the line `N passed, N failed`. Run with `tsx scripts/smoke.ts`.
 * With `--backend NAME` a shorter job runs there and on onnxruntime, and both have to come to the same numbers.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { softwareGpuEnvironment } from "./software-gpu.ts";

const ROOT = join(import.meta.dirname, "..");
const TASKS = ["msa", "erc", "fer", "eri", "ecpe"];
const STAGES = 2;
/** Nothing is written beside the fixture. */
const SETTINGS = ["--config", join(ROOT, "configs/smoke.yaml"), "--set", "data.cache=cache"];
/** Three steps of one short row each: a software GPU takes some seconds for one. */
const SHORT = [...SETTINGS, ...["0.budget.maxSteps=2", "1.budget.maxSteps=1", "0.budget.rowTokens=288", "1.budget.rowTokens=288", "0.budget.rowsPerBatch=1", "1.budget.rowsPerBatch=1"].flatMap((setting) => ["--set", `stages.${setting}`])];
/** Of a loss, and of the logarithm of an answer's likelihood. */
const TOLERANCE = 1e-3;
const TIMEOUT_MS = 300_000;

type Json = Readonly<Record<string, unknown>>;

interface Finished {
  readonly code: number | null;
  readonly lines: readonly Json[];
  readonly stderr: string;
}

/** Runs a command with --json in `folder`. */
function m2se(folder: string, ...args: string[]): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...softwareGpuEnvironment() };
    const child = spawn(process.execPath, [join(ROOT, "src/cli/bin.mjs"), ...args, "--json"], { cwd: folder, env, stdio: ["ignore", "pipe", "pipe"], timeout: TIMEOUT_MS });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, lines: stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Json), stderr }));
  });
}

function check(condition: boolean, what: string, { stderr }: Pick<Finished, "stderr"> = { stderr: "" }): void {
  if (!condition) throw new Error(`${what}\n${stderr}`);
}

async function checkPlan(folder: string): Promise<void> {
  const plan = await m2se(folder, "plan", ...SETTINGS);
  check(plan.code === 0, `plan ended with ${plan.code}`, plan);
  const stages = plan.lines.flatMap(({ kind, stages }) => (kind === "plan" ? (stages as readonly Json[]) : []));
  check(stages.length === STAGES && stages.every(({ steps }) => Number(steps) > 0), "the plan has no steps", plan);
}

/** The losses of its steps. */
async function checkTrain(folder: string, run: string, settings: readonly string[]): Promise<readonly number[]> {
  const train = await m2se(folder, "train", ...settings, "--stage", "all", "--run-dir", run);
  check(train.code === 0, `train ended with ${train.code}`, train);
  const losses = train.lines.filter(({ kind }) => kind === "step").map(({ loss }) => loss);
  check(losses.length >= STAGES && losses.every(Number.isFinite), `losses are ${JSON.stringify(losses)}`, train);
  const saved = train.lines.filter(({ kind }) => kind === "stage-end").map(({ checkpoint }) => String(checkpoint));
  check(saved.length === STAGES && saved.every((path) => existsSync(join(path, "manifest.json"))), `no finished checkpoint in ${saved.join(", ")}`, train);
  for (const file of ["config.json", "events.jsonl", "provenance.json"]) check(existsSync(join(folder, run, file)), `${file} is missing in the run directory`, train);
  return losses.map(Number);
}

async function checkEval(folder: string): Promise<void> {
  const evaluation = await m2se(folder, "eval", "--run-dir", "run", "--task", "all");
  check(evaluation.code === 0, `eval ended with ${evaluation.code}`, evaluation);
  check(evaluation.lines.filter(({ kind }) => kind === "scores").length === TASKS.length, "a task has no scores", evaluation);
  check(evaluation.stderr.includes("without a model"), "the table is missing", evaluation);
}

async function checkScores(folder: string, task: string): Promise<void> {
  const predictions = (await readFile(join(folder, "run/eval", `${task}.predictions.jsonl`), "utf8")).trim().split("\n");
  const scores = JSON.parse(await readFile(join(folder, "run/eval", `${task}.scores.json`), "utf8")) as Json & { readonly metrics: Readonly<Record<string, number>> };
  check(Number(scores["n"]) > 0 && predictions.length === scores["n"], `${predictions.length} predictions, n is ${String(scores["n"])}`);
  const metrics = Object.entries(scores.metrics);
  check(metrics.length > 0 && metrics.every(([, value]) => Number.isFinite(value)), `metrics are ${JSON.stringify(scores.metrics)}`);
}

const REFERENCE = "onnxruntime";

/** Both stages on both backends, from the same start. */
async function checkSameLosses(folder: string, backend: string): Promise<void> {
  const expected = await checkTrain(folder, "reference", [...SHORT, "--backend", REFERENCE]);
  const losses = await checkTrain(folder, "run", [...SHORT, "--backend", backend]);
  const differences = losses.map((loss, i) => Math.abs(loss - (expected[i] ?? Number.NaN)));
  console.log(`        losses ${losses.map((loss) => loss.toFixed(5)).join(", ")}, off by at most ${Math.max(...differences).toExponential(1)}`);
  check(losses.length === expected.length && differences.every((difference) => difference < TOLERANCE), `losses are ${losses.join(", ")} on ${backend} and ${expected.join(", ")} on ${REFERENCE}`);
}

/** The same checkpoint, read on both backends: the likelihood of every answer to every sample. */
async function checkSameScores(folder: string, backend: string, task: string): Promise<void> {
  const scores = async (on: string): Promise<readonly number[]> => {
    const evaluation = await m2se(folder, "eval", "--run-dir", "run", "--task", task, "--backend", on);
    check(evaluation.code === 0, `eval on ${on} ended with ${evaluation.code}`, evaluation);
    await checkScores(folder, task);
    const lines = (await readFile(join(folder, "run/eval", `${task}.predictions.jsonl`), "utf8")).trim().split("\n");
    return lines.flatMap((line) => Object.values((JSON.parse(line) as Json)["scores"] as Readonly<Record<string, number>>));
  };
  const [found, expected] = [await scores(backend), await scores(REFERENCE)];
  check(found.length > 0 && found.length === expected.length && found.every((score, i) => Math.abs(score - (expected[i] ?? Number.NaN)) < TOLERANCE), `scores are ${found.join(", ")} on ${backend} and ${expected.join(", ")} on ${REFERENCE}`);
}

/** One step; its failure is printed and the others go on. */
async function passes(name: string, run: () => Promise<unknown>): Promise<boolean> {
  const started = Date.now();
  try {
    await run();
    console.log(`ok      ${name} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    return true;
  } catch (error) {
    console.log(`FAILED  ${name}: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

async function wholeJob(folder: string): Promise<readonly boolean[]> {
  const results = [
    await passes("plan", () => checkPlan(folder)),
    await passes("train --stage all", () => checkTrain(folder, "run", SETTINGS)),
    await passes("eval --task all", () => checkEval(folder)),
  ];
  for (const task of TASKS) results.push(await passes(`scores of ${task}`, () => checkScores(folder, task)));
  return results;
}

async function comparedJob(folder: string, backend: string): Promise<readonly boolean[]> {
  const driver = { ...process.env, ...softwareGpuEnvironment() }["VK_DRIVER_FILES"];
  if (/swiftshader/i.test(backend) && driver === undefined) {
    console.log(`skipped: ${backend} (no driver; scripts/software-gpu.sh fetches it)`);
    return [];
  }
  return [
    await passes(`train --stage all --backend ${backend}`, () => checkSameLosses(folder, backend)),
    await passes(`eval --task msa --backend ${backend}`, () => checkSameScores(folder, backend, "msa")),
  ];
}

const { backend } = parseArgs({ options: { backend: { type: "string" } } }).values;
const folder = await mkdtemp(join(tmpdir(), "m2se-smoke-"));
try {
  const results = await (backend === undefined ? wholeJob(folder) : comparedJob(folder, backend));
  const passed = results.filter(Boolean).length;
  console.log(`${passed} passed, ${results.length - passed} failed`);
  process.exitCode = passed === results.length ? 0 : 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

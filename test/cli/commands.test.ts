import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { runConfig } from "../../src/cli/commands/config.ts";
import { runDataSynth } from "../../src/cli/commands/data-synth.ts";
import { runDemo } from "../../src/cli/commands/demo.ts";
import { runEval } from "../../src/cli/commands/eval.ts";
import { runExport } from "../../src/cli/commands/export.ts";
import { runPlan } from "../../src/cli/commands/plan.ts";
import { runPrepare } from "../../src/cli/commands/prepare.ts";
import { runPredict } from "../../src/cli/commands/predict.ts";
import { runTrain } from "../../src/cli/commands/train.ts";
import type { EvalEvent, PrepareEvent } from "../../src/cli/app.ts";
import type { RunEvent } from "../../src/train/events.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { fakeContext, stream } from "./fake-context.ts";

const RENDERED = { name: "synthetic", source: "synthetic", counts: {} };

const CONFIG = `name: demo-run
data: { root: records, synthetic: { clips: 30, seed: 7 } }
model: { folder: model }
stages:
  - { name: one, mixture: { msa: high }, trainable: [{ match: ".*", learningRate: 1 }] }
  - { name: two, mixture: { erc: high }, trainable: [{ match: ".*", learningRate: 1 }], initFrom: one }
`;

const STEP: RunEvent = {
  kind: "step", stage: "one", step: 1, steps: 2, loss: 1, taskLoss: { msa: 1 }, supervisedTokens: 1, tokens: 10, learningRate: 1, gradientNorm: 1, milliseconds: 10, mediaMilliseconds: 1, tensorsAlive: 1, megabytes: 1,
};
const INTERRUPTED: RunEvent = { kind: "interrupted", stage: "one", step: 1, signal: "SIGINT" };
const SCORES: EvalEvent = {
  kind: "scores",
  scores: { task: "msa", split: "test", n: 2, decode: "score", protocol: "m2se", counting: "c", intervals: {}, bootstrap: { unit: "record", units: 2, resamples: 1000, seed: 1, level: 0.95 }, metrics: { accuracy: 0.5 }, parseFailures: 0, baselines: { majority: { accuracy: 0.25 } }, checkpoint: "c", seconds: 1 },
};

let folder: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  await writeFile(join(folder, "a.yaml"), CONFIG);
});

/** A dataset.json as rendering writes it, with all utterances in one split. */
async function writeInfo({ seed, utterances }: { readonly seed: number; readonly utterances: number }): Promise<void> {
  await mkdir(join(folder, "records"));
  await writeFile(join(folder, "records/dataset.json"), JSON.stringify({ name: "synthetic", source: "synthetic", seed, counts: { train: { records: 1, utterances } } }));
}

const NO_PLAN = { stages: [], device: { of: "this machine" }, fits: [] };

test("train renders the missing dataset, then runs the chosen stages in the default run directory", async () => {
  const { context, calls, human, progress, json } = fakeContext(folder, { renderSyntheticDataset: () => Promise.resolve(RENDERED), trainRun: () => stream(STEP) });

  await runTrain({ config: "a.yaml", stage: "2", backend: "cpu", set: ["seed=5"] }, context);

  expect(calls.map(([name]) => name)).toEqual(["renderSyntheticDataset", "trainRun"]);
  expect(calls[0]?.[1]).toMatchObject({ root: join(folder, "records"), clips: 30, seed: 7 });
  expect(calls[1]?.[1]).toMatchObject({ stages: ["two"], runDir: join(folder, "runs/demo-run"), resume: false, config: { backend: "cpu", seed: 5 } });
  expect(human).toContain(`run directory ${join(folder, "runs/demo-run")}`);
  expect(progress).toHaveLength(1);
  expect(json).toContainEqual(STEP);
});

test("while clips are read, train says how far it is", async () => {
  await writeInfo({ seed: 7, utterances: 30 });
  const { context, progress, human, json } = fakeContext(folder, { trainRun: () => stream<RunEvent>({ kind: "clips", done: 0, total: 2 }, { kind: "clips", done: 2, total: 2 }) });

  await runTrain({ config: "a.yaml", stage: "all" }, context);

  expect(progress).toEqual(["reading clips 0/2", "reading clips 2/2"]);
  expect(json).toEqual([{ kind: "clips", done: 0, total: 2 }, { kind: "clips", done: 2, total: 2 }]);
  expect(human.filter((text) => text.includes("clips"))).toEqual([]);
});

test("an empty folder counts as no dataset", async () => {
  await mkdir(join(folder, "records"));
  const { context, calls } = fakeContext(folder, { renderSyntheticDataset: () => Promise.resolve(RENDERED), planRun: () => Promise.resolve(NO_PLAN) });

  await runPlan({ config: "a.yaml" }, context);

  expect(calls.map(([name]) => name)).toEqual(["renderSyntheticDataset", "planRun"]);
});

test("a folder that a killed rendering left is not taken for a dataset", async () => {
  await mkdir(join(folder, "records/clips"), { recursive: true });
  const { context, calls } = fakeContext(folder);

  await expect(runTrain({ config: "a.yaml", stage: "all" }, context)).rejects.toThrow(
    `DataError ${join(folder, "records")}: no dataset.json here: rendering into this folder was cut short, or the dataset in it is of another origin.\n` +
      "  Delete the folder and run the command again. For a dataset of your own set data.synthetic: null.",
  );
  expect(calls).toEqual([]);
});

test("a dataset of another size or seed is used, and that is said", async () => {
  await writeInfo({ seed: 3, utterances: 12 });
  const { context, human, calls } = fakeContext(folder, { trainRun: () => stream() });

  await runTrain({ config: "a.yaml", stage: "all" }, context);

  expect(human[0]).toBe(`warning: data.synthetic asks for 30 clips of seed 7, but ${join(folder, "records")} holds 12 of seed 3, which are used; delete the folder to render anew`);
  expect(calls.map(([name]) => name)).toEqual(["trainRun"]);
});

test("a dataset that is there is not rendered again", async () => {
  await writeInfo({ seed: 7, utterances: 30 });
  const { context, calls, human } = fakeContext(folder, { trainRun: () => stream() });

  await runTrain({ config: "a.yaml", stage: "all", runDir: "r", resume: true }, context);

  expect(calls.map(([name]) => name)).toEqual(["trainRun"]);
  expect(calls[0]?.[1]).toMatchObject({ stages: ["one", "two"], runDir: join(folder, "r"), resume: true });
  expect(human.filter((text) => text.includes("warning"))).toEqual([]);
});

test("an unknown stage ends before anything is rendered", async () => {
  const { context, calls } = fakeContext(folder);

  await expect(runTrain({ config: "a.yaml", stage: "tow" }, context)).rejects.toThrow('unknown stage "tow"');

  expect(calls).toEqual([]);
});

test("plan covers all stages unless one is chosen", async () => {
  const { context, calls, json } = fakeContext(folder, { renderSyntheticDataset: () => Promise.resolve(RENDERED), planRun: () => Promise.resolve(NO_PLAN) });

  await runPlan({ config: "a.yaml" }, context);

  expect(calls[1]?.[1]).toMatchObject({ stages: ["one", "two"] });
  expect(json.at(-1)).toEqual({ kind: "plan", ...NO_PLAN });
});

const PREPARED = { kind: "prepared", folder: "c", clips: 45, computed: 80, present: 10, rebuilt: 0, unreadable: 0, bytes: 12e6, seconds: 12.34 } as const;

test("prepare renders the missing dataset, fills the run's cache, and says what was done", async () => {
  const start = { kind: "prepare-start", backend: "cpu", device: "JavaScript", folder: "c", frozen: [{ trainedBy: undefined, towers: ["video", "audio"], stages: ["one", "two"] }, { trainedBy: "one", towers: ["audio"], stages: ["three"] }] } as const;
  const { context, calls, human, progress, json } = fakeContext(folder, { renderSyntheticDataset: () => Promise.resolve(RENDERED), prepareRun: () => stream<PrepareEvent>(start, { kind: "encoding", done: 3, total: 45 }, { kind: "warning", message: "m" }, PREPARED) });

  await runPrepare({ config: "a.yaml", shard: { index: 2, count: 8 } }, context);

  expect(calls.map(([name]) => name)).toEqual(["renderSyntheticDataset", "prepareRun"]);
  expect(calls[1]?.[1]).toMatchObject({ config: { name: "demo-run" }, runDir: join(folder, "runs/demo-run"), shard: { index: 2, count: 8 } });
  expect(progress).toContain("encoding clips 3/45");
  expect(human.slice(-3)).toEqual([
    "backend cpu (JavaScript), cache c\nvideo and audio tower, frozen in one, two\naudio tower, frozen in three, as one leaves it",
    "warning: m",
    "45 clips in 12.3 s: 80 features computed, 10 already there, 12 MB written to c",
  ]);
  expect(json).toContainEqual(PREPARED);
});

test("prepare tells damaged features and unreadable clips only where there are any", async () => {
  const { context, calls, human } = fakeContext(folder, { renderSyntheticDataset: () => Promise.resolve(RENDERED), prepareRun: () => stream<PrepareEvent>({ ...PREPARED, rebuilt: 2, unreadable: 1 }) });

  await runPrepare({ config: "a.yaml", runDir: "r" }, context);

  expect(calls[1]?.[1]).toEqual(expect.not.objectContaining({ shard: expect.anything() }));
  expect(calls[1]?.[1]).toMatchObject({ runDir: join(folder, "r") });
  expect(human.at(-1)).toBe("45 clips in 12.3 s: 80 features computed, 10 already there, 2 damaged and computed again, 1 clips unreadable, 12 MB written to c");
});

test("demo trains every stage and evaluates every task of the same run directory", async () => {
  const { context, calls, human } = fakeContext(folder, { renderSyntheticDataset: () => Promise.resolve(RENDERED), trainRun: () => stream(STEP), evalRun: () => stream(SCORES) });

  await runDemo({ config: "a.yaml", runDir: "here" }, context);

  expect(calls.map(([name]) => name)).toEqual(["renderSyntheticDataset", "trainRun", "evalRun"]);
  expect(calls[2]?.[1]).toMatchObject({ source: { runDir: join(folder, "here") }, tasks: ["msa", "erc", "fer", "eri", "ecpe"] });
  expect(human.join("\n")).toContain("msa   2  accuracy  0.500       majority 0.250");
  expect(human.at(-1)).toMatch(/^done in 0\.\d s; the run is in /);
});

test("demo that is interrupted in training does not go on to the evaluation", async () => {
  const fake = fakeContext(folder, { renderSyntheticDataset: () => Promise.resolve(RENDERED), trainRun: () => stream<RunEvent>(STEP, INTERRUPTED) });
  fake.stop.abort("SIGINT");

  await runDemo({ config: "a.yaml" }, fake.context);

  expect(fake.calls.map(([name]) => name)).toEqual(["renderSyntheticDataset", "trainRun"]);
  expect(fake.human.at(-1)).toContain("--resume");
});

test("demo without flags takes the config that comes with the package, from any folder", async () => {
  const { context, calls } = fakeContext(folder, { renderSyntheticDataset: () => Promise.resolve(RENDERED), trainRun: () => stream(), evalRun: () => stream(SCORES) });

  await runDemo({}, context);

  expect(calls.find(([name]) => name === "trainRun")?.[1]).toMatchObject({ config: { name: "tiny" }, runDir: join(folder, "runs/tiny") });
});

test("eval passes only what the flags say, so that the run's config decides the rest", async () => {
  const { context, calls, progress } = fakeContext(folder, { evalRun: () => stream<EvalEvent>({ kind: "clips", done: 1, total: 2 }, { kind: "evaluation-progress", task: "msa", done: 1, total: 2 }, SCORES) });

  await runEval({ checkpoint: "c", task: ["msa"], limit: 2 }, context);

  expect(calls).toEqual([["evalRun", { source: { checkpoint: join(folder, "c") }, tasks: ["msa"], limit: 2, signal: context.signal }]]);
  expect(progress).toEqual(["reading clips 1/2", "msa 1/2"]);
});

test("eval wants one source", async () => {
  const { context } = fakeContext(folder);

  await expect(runEval({ task: ["msa"] }, context)).rejects.toThrow("ConfigError m2se eval: got neither --run-dir nor --checkpoint, expected one of them.");
  await expect(runEval({ runDir: "r", checkpoint: "c", task: ["msa"] }, context)).rejects.toThrow("ConfigError m2se eval: got both --run-dir and --checkpoint, expected one of them.");
});

test("predict asks all tasks and prints what is to be known and the answers", async () => {
  const { context, calls, human, json } = fakeContext(folder, { predictRun: () => Promise.resolve({ answers: [{ task: "erc", response: "joy" }], warnings: ["kept as floats"] }) });

  await runPredict({ checkpoint: "c", video: "v.mp4", text: "hi" }, context);

  expect(calls[0]?.[1]).toMatchObject({ checkpoint: join(folder, "c"), video: join(folder, "v.mp4"), text: "hi", tasks: ["msa", "erc", "fer", "eri", "ecpe"] });
  expect(human).toEqual(["warning: kept as floats", "task  answer\n----  ------\nerc   joy"]);
  expect(json).toEqual([{ kind: "warning", message: "kept as floats" }, { kind: "answer", task: "erc", response: "joy" }]);
});

test("export writes PEFT's form unless told otherwise, and says how far a merged model's logits are from the original's", async () => {
  const result = { out: "/o", files: ["a", "b"], adapters: 28, alsoTrained: 6 };
  const { context, calls, human, json } = fakeContext(folder, {
    exportCheckpoint: ({ format }) => Promise.resolve({ ...result, format, ...(format === "peft" ? {} : { alsoTrained: 0, logits: { difference: 1.26e-6, largest: 14.216 } }) }),
  });

  await runExport({ checkpoint: "c", out: "o" }, context);
  await runExport({ checkpoint: "c", out: "o", format: "merged", backend: "cpu" }, context);

  expect(calls.map(([, options]) => options)).toMatchObject([{ checkpoint: join(folder, "c"), out: join(folder, "o"), format: "peft" }, { format: "merged", backend: "cpu" }]);
  expect(human).toEqual([
    "/o: 28 adapters in PEFT's form, and 6 parameters that were trained whole, in 2 files",
    "/o: 28 adapters folded into the model, in 2 files\nlargest difference of its logits, read again, to base with adapters: 1.3e-6 (the largest logit is 14.2)",
  ]);
  expect(json).toMatchObject([{ kind: "export", ...result, format: "peft" }, { kind: "export", format: "merged", logits: { difference: 1.26e-6 } }]);
});

test("data synth renders with its own defaults and reports progress", async () => {
  const { context, calls, progress, json } = fakeContext(folder, {
    renderSyntheticDataset: ({ onProgress }) => {
      onProgress?.({ done: 3, total: 10 });
      return Promise.resolve(RENDERED);
    },
  });

  await runDataSynth({ out: "d" }, context);

  expect(calls[0]?.[1]).toMatchObject({ root: join(folder, "d"), clips: 1200, seed: 1 });
  expect(progress[0]).toMatch(/^clips 3\/10 {2}[\d.]+ clips\/s {2}ETA /);
  expect(json).toEqual([expect.objectContaining({ kind: "dataset", clips: 1200 })]);
});

test("config prints values with origins, explains one, or asks for either", async () => {
  const { context, human, json } = fakeContext(folder);

  await runConfig({ config: "a.yaml", set: ["stages.one.schedule.floor=0.1", "stages.one.schedule.kind=constant"] }, context);
  await runConfig({ explain: "data.frames" }, context);

  expect(human[0]).toBe("warning: --set stages.one.schedule.floor=0.1 stages.one.schedule.floor has no effect: the schedule is constant");
  expect(human[1]).toMatch(/\nname +"demo-run" +a\.yaml:1\n/);
  expect(human[2]).toMatch(/^data\.frames\n/);
  expect(json).toContainEqual({ kind: "setting", path: "data.synthetic.clips", value: 30, origin: "a.yaml:2" });
  await expect(runConfig({}, context)).rejects.toThrow("ConfigError m2se config: got neither --config nor --explain, expected one of them.");
});

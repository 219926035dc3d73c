import { cp, readdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { evalRun, type EvalEvent, type EvalOptions, predictRun } from "../../src/app/index.ts";
import type { RunConfig } from "../../src/config/index.ts";
import { readPredictions } from "../../src/eval/predictions.ts";
import type { ScoresFile } from "../../src/eval/score.ts";
import { TASKS } from "../../src/tasks/index.ts";
import { TASK_NAMES } from "../../src/tasks/task.ts";
import { H264, numberedFrames, render } from "../media/fixtures.ts";
import { oneStep, toyRunConfig, toyWorkplace, train, withStage, writeToyDataset, writeToyModel } from "./toy-experiment.ts";

const TIMEOUT_MS = 60_000;
const place = toyWorkplace();
let runDir: string;

beforeAll(async () => {
  runDir = join(place.folder, "run");
  await train(twoSteps(toyRunConfig(place.folder)), runDir);
}, TIMEOUT_MS);

test("every task gets a predictions file and scores that follow from it", { timeout: TIMEOUT_MS }, async () => {
  const events = await evaluate({ tasks: TASK_NAMES });

  const checkpoint = join(runDir, "stage-2/step-000002");
  expect(events[0]).toMatchObject({ kind: "evaluation-start", backend: "onnxruntime", split: "test", checkpoint });
  expect(scoresOf(events).map(({ task, n, decode }) => [task, n, decode])).toEqual([["msa", 2, "score"], ["erc", 2, "score"], ["fer", 2, "generate"], ["eri", 2, "generate"], ["ecpe", 2, "generate"]]);
  expect((await readdir(join(runDir, "eval"))).filter((name) => name.includes(".")).sort()).toEqual(TASK_NAMES.flatMap((task) => [`${task}.predictions.jsonl`, `${task}.scores.json`]).sort());
  for (const scores of scoresOf(events)) {
    const written = JSON.parse(await readFile(join(runDir, "eval", `${scores.task}.scores.json`), "utf8")) as ScoresFile;
    const rows = await readPredictions(join(runDir, "eval", `${scores.task}.predictions.jsonl`));
    expect(written).toEqual(scores);
    expect(rows.map(({ id }) => id)).toEqual(["test0002_utt1", "test0002_utt2"].map((id) => `${id}:${scores.task}`));
    const { metrics, parseFailures } = TASKS[scores.task].score(rows);
    expect(scores.metrics).toEqual(metrics);
    expect(scores.parseFailures).toBe(parseFailures);
    expect(scores).toMatchObject({ split: "test", checkpoint, protocol: "m2se", counting: TASKS[scores.task].protocol, bootstrap: { unit: "record", units: 1 } });
    expect(Object.keys(scores.baselines).length).toBeGreaterThan(0);
  }
  expect(events.slice(1, 4)).toEqual([0, 1, 2].map((done) => ({ kind: "clips", done, total: 2 })));
  expect(events.filter(({ kind }) => kind === "evaluation-progress").at(-1)).toEqual({ kind: "evaluation-progress", task: "ecpe", done: 2, total: 2 });
});

test("another split, inputs, way to answer, number or checkpoint has a folder of its own, and the run's scores stay", { timeout: TIMEOUT_MS }, async () => {
  const own = await contentOf("eval");
  const cases: readonly (readonly [folder: string, n: number, options: Partial<EvalOptions>])[] = [
    ["val", 3, { split: "val" }],
    ["video+text", 2, { modalities: ["text", "video"] }],
    ["generate", 2, { decode: "generate" }],
    ["first1", 1, { limit: 1 }],
    ["stage-1-step-000001-val-score-video-first2", 2, { source: { checkpoint: join(runDir, "stage-1/step-000001") }, split: "val", decode: "score", modalities: ["video"], limit: 2 }],
  ];
  for (const [folder, n, options] of cases) {
    const [scores] = scoresOf(await evaluate({ tasks: ["msa"], ...options }));
    const name = folder.replace("stage-1", "see");
    expect([name, scores?.n]).toEqual([name, n]);
    expect(JSON.parse(await readFile(join(runDir, "eval", name, "msa.scores.json"), "utf8"))).toEqual(scores);
  }
  expect(await contentOf("eval")).toEqual(own);
});

test("all inputs in another order are the run's own evaluation", { timeout: TIMEOUT_MS }, async () => {
  await evaluate({ tasks: ["erc"], modalities: ["text", "audio", "video"] });

  expect((await readdir(join(runDir, "eval"))).filter((name) => name.includes("audio"))).toEqual([]);
});

test("an input that is switched off changes the answers' likelihoods", { timeout: TIMEOUT_MS }, async () => {
  const likelihoods = async (modalities: EvalOptions["modalities"], folder: string): Promise<unknown> => {
    await evaluate({ tasks: ["erc"], ...(modalities === undefined ? {} : { modalities }) });
    return (await readPredictions(join(runDir, "eval", folder, "erc.predictions.jsonl"))).map(({ scores }) => scores);
  };

  const all = [await likelihoods(undefined, "."), await likelihoods(["video", "audio"], "video+audio"), await likelihoods(["audio", "text"], "audio+text"), await likelihoods(["video", "text"], "video+text")];

  expect(new Set(all.map((each) => JSON.stringify(each))).size).toBe(4);
});

test("an input that the model was trained without is refused", { timeout: TIMEOUT_MS }, async () => {
  const config = toyRunConfig(place.folder);
  const deaf = oneStep({ ...config, data: { ...config.data, modalities: ["video", "text"] } });
  await train(deaf, join(place.folder, "deaf"), { stages: ["see"] });

  const asking = evaluate({ source: { runDir: join(place.folder, "deaf") }, tasks: ["msa"], modalities: ["audio", "text"] });

  await expect(asking).rejects.toThrow("ConfigError --modalities: the model was trained without audio.\n  It takes video, text.");
});

test("a signal ends the evaluation without scores", { timeout: TIMEOUT_MS }, async () => {
  const stop = new AbortController();
  const events: EvalEvent[] = [];
  for await (const event of evalRun({ source: { runDir }, tasks: ["msa", "erc"], limit: 1, split: "val", signal: stop.signal })) {
    events.push(event);
    if (event.kind === "evaluation-progress") stop.abort("SIGINT");
  }

  expect(events.map(({ kind }) => kind)).toEqual(["evaluation-start", "clips", "clips", "evaluation-progress"]);
});

test("a signal is heard between two tokens: no answer is waited for", { timeout: TIMEOUT_MS }, async () => {
  const stop = new AbortController();
  const events: EvalEvent[] = [];
  for await (const event of evalRun({ source: { runDir }, tasks: ["eri"], limit: 1, split: "val", signal: stop.signal })) {
    events.push(event);
    if (event.kind === "clips" && event.done === event.total) stop.abort("SIGINT");
  }

  expect(events.map(({ kind }) => kind)).toEqual(["evaluation-start", "clips", "clips"]);
});

test("no run, no finished stage, no checkpoint: each is told", { timeout: TIMEOUT_MS }, async () => {
  const absent = join(place.folder, "absent");
  await expect(evaluate({ source: { runDir: absent }, tasks: ["msa"] })).rejects.toThrow(`CheckpointError ${absent}/config.json: not a run directory of m2se: it has no config.json.\n  Name the folder that m2se train printed as run directory.`);
  await expect(evaluate({ source: { checkpoint: join(runDir, "stage-1") }, tasks: ["msa"] })).rejects.toThrow(`CheckpointError ${runDir}/stage-1: Got no manifest.json, expected a finished checkpoint`);

  const untrained = join(place.folder, "untrained");
  await train(toyRunConfig(place.folder), untrained, { stages: ["see"], stopAfter: ({ kind }) => kind === "step" });
  await expect(evaluate({ source: { runDir: untrained }, tasks: ["msa"] })).rejects.toThrow('stage "see" was interrupted. Got 1 steps, expected 4');
  await writeFile(join(place.folder, "config.json"), await readFile(join(untrained, "config.json")));
  await expect(evaluate({ source: { runDir: place.folder }, tasks: ["msa"] })).rejects.toThrow(`CheckpointError ${place.folder}: no stage of this run was trained to its end.\n  Train it first: m2se train --stage all with the same --run-dir.`);
});

test("a damaged result is told; the stage before does not stand in for it", { timeout: TIMEOUT_MS }, async () => {
  const damaged = join(place.folder, "damaged");
  await cp(runDir, damaged, { recursive: true });
  const [last] = (await readdir(join(damaged, "stage-2"))).sort().toReversed();
  const path = join(damaged, "stage-2", last!, "model.safetensors");
  await truncate(path, 1000);

  await expect(evaluate({ source: { runDir: damaged }, tasks: ["msa"] })).rejects.toThrow(new RegExp(`^CheckpointError ${path}: Got 1000 bytes, expected \\d+\\.\\n {2}The checkpoint is damaged`));
});

test("a checkpoint of another base model is refused", { timeout: TIMEOUT_MS }, async () => {
  const path = join(runDir, "config.json");
  const config = await readFile(path, "utf8");
  await writeFile(path, config.replace('"seed": 7', '"seed": 8'));
  try {
    await expect(evaluate({ tasks: ["msa"] })).rejects.toThrow("made with another base model");
  } finally {
    await writeFile(path, config);
  }
});

test("a checkpoint whose tokenizer was trained again since is refused: its tokens would be other words", { timeout: TIMEOUT_MS }, async () => {
  const { model } = JSON.parse(await readFile(join(runDir, "config.json"), "utf8")) as { model: { folder: string } };
  const path = join(model.folder, "tokenizer_config.json");
  const original = await readFile(path, "utf8");
  await writeFile(path, `${original}\n`);
  try {
    await expect(evaluate({ tasks: ["msa"] })).rejects.toThrow("made with another tokenizer");
  } finally {
    await writeFile(path, original);
  }
});

test("a run directory's config that is not ours is told field by field", { timeout: TIMEOUT_MS }, async () => {
  const path = join(runDir, "config.json");
  const config = await readFile(path, "utf8");
  try {
    await writeFile(path, config.replace('"seed": 7', '"seed": "x"'));
    await expect(evaluate({ tasks: ["msa"] })).rejects.toThrow(/^ConfigError \S+config\.json seed: .*\n {2}This run was made by another version of m2se\.$/);
    await writeFile(path, config.slice(0, 50));
    await expect(evaluate({ tasks: ["msa"] })).rejects.toThrow(`CheckpointError ${path}: this file is not JSON`);
  } finally {
    await writeFile(path, config);
  }
});

test("a checkpoint answers about one video: every task but the one on conversations", { timeout: TIMEOUT_MS }, async () => {
  const question = { checkpoint: join(runDir, "stage-2/step-000002"), video: join(place.folder, "data/clips/test0002_utt1.mp4"), text: "Wow!", signal: new AbortController().signal };

  const { answers } = await predictRun({ ...question, tasks: TASK_NAMES });

  expect(answers.map(({ task }) => task)).toEqual(["msa", "erc", "fer", "eri"]);
  expect(TASKS.msa.answers).toContain(answers[0]?.response);
  expect(TASKS.erc.answers).toContain(answers[1]?.response);
  await expect(predictRun({ ...question, tasks: ["msa", "ecpe"] })).rejects.toThrow("ConfigError --task: ecpe asks about a conversation, not about one video.\n  Use m2se eval on a dataset for it.");
  await expect(predictRun({ ...question, tasks: ["msa"], video: "absent.mp4" })).rejects.toThrow(/^MediaError absent\.mp4: /);
});

test("the answer about a video is the evaluation's when the words and the prompt are the same", { timeout: TIMEOUT_MS }, async () => {
  const [line] = (await readFile(join(place.folder, "data/test.jsonl"), "utf8")).split("\n");
  const { utterances } = JSON.parse(line ?? "") as { utterances: readonly { id: string; text: string; media: { video: string } }[] };
  await evaluate({ tasks: ["eri"] });
  const predictions = await readPredictions(join(runDir, "eval/eri.predictions.jsonl"));

  const answers = await Promise.all(utterances.slice(0, 1).map(({ text, media }) => predictRun({ checkpoint: join(runDir, "stage-2/step-000002"), video: join(place.folder, "data", media.video), text, tasks: ["eri"], signal: new AbortController().signal })));

  expect(answers.map(({ answers: [answer] }) => answer?.response)).toEqual(predictions.slice(0, 1).map(({ response }) => response));
  expect(predictions[0]?.response.length).toBeGreaterThan(0);
});

test("a video is asked about as the model was trained to be asked: where conversations show no clip, without it", { timeout: TIMEOUT_MS }, async () => {
  const root = join(place.folder, "one-turn");
  await writeToyDataset(root);
  const [line] = (await readFile(join(root, "test.jsonl"), "utf8")).split("\n");
  const { utterances: [utterance], pairs: _, ...record } = JSON.parse(line ?? "") as { utterances: { text: string; media: { video: string } }[]; pairs?: unknown };
  await writeFile(join(root, "test.jsonl"), `${JSON.stringify({ ...record, utterances: [{ ...utterance, speaker: "Speaker" }] })}\n`);
  const { data, eval: evaluation, ...rest } = oneStep(toyRunConfig(place.folder));
  const config: RunConfig = { ...rest, data: { ...data, root, emotionPrompt: "dialogue", conversationClip: "none" }, eval: { ...evaluation, decode: "generate" } };
  const folder = join(place.folder, "dialogue-run");
  await train(config, folder, { stages: ["see"] });
  for await (const event of evalRun({ source: { runDir: folder }, tasks: ["erc"], signal: new AbortController().signal })) if (event.kind === "scores") expect(event.scores.n).toBe(1);

  const { answers } = await predictRun({ checkpoint: join(folder, "stage-1/step-000001"), video: join(root, utterance!.media.video), text: utterance!.text, tasks: ["erc"], signal: new AbortController().signal });

  const [prediction] = await readPredictions(join(folder, "eval/erc.predictions.jsonl"));
  expect(prediction!.response.length).toBeGreaterThan(10);
  expect(answers).toEqual([{ task: "erc", response: prediction!.response }]);
});

test("a model without an audio tower trains, and answers about a silent video", { timeout: TIMEOUT_MS }, async () => {
  const folder = join(place.folder, "deaf-model");
  await writeToyModel(folder);
  const { audio_config: _, ...deaf } = JSON.parse(await readFile(join(folder, "config.json"), "utf8")) as Record<string, unknown>;
  await writeFile(join(folder, "config.json"), JSON.stringify(deaf));
  const config = oneStep({ ...toyRunConfig(place.folder), model: { ...toyRunConfig(place.folder).model, folder } });
  const silent = await render(join(place.folder, "silent.mp4"), ...numberedFrames(15), ...H264);
  await train(config, join(place.folder, "silent-run"), { stages: ["see"] });

  const { answers } = await predictRun({ checkpoint: join(place.folder, "silent-run/stage-1/step-000001"), video: silent, text: "", tasks: ["msa"], signal: new AbortController().signal });

  expect(TASKS.msa.answers).toContain(answers[0]?.response);
  const hearing = predictRun({ checkpoint: join(runDir, "stage-2/step-000002"), video: silent, text: "", tasks: ["msa"], signal: new AbortController().signal });
  await expect(hearing).rejects.toThrow(`MediaError ${silent}: it has no sound`);
});

async function evaluate(options: Partial<EvalOptions> & Pick<EvalOptions, "tasks">): Promise<EvalEvent[]> {
  const events: EvalEvent[] = [];
  for await (const event of evalRun({ source: { runDir }, signal: new AbortController().signal, ...options })) events.push(event);
  return events;
}

function scoresOf(events: readonly EvalEvent[]): ScoresFile[] {
  return events.flatMap((event) => (event.kind === "scores" ? [event.scores] : []));
}

/** Files directly in a folder of the run, without the folders in it. */
async function contentOf(folder: string): Promise<readonly (readonly [string, string])[]> {
  const files = (await readdir(join(runDir, folder), { withFileTypes: true })).filter((entry) => entry.isFile());
  return Promise.all(files.map(async ({ name }) => [name, await readFile(join(runDir, folder, name), "utf8")] as const));
}

/** One step in the first stage, two in the second. */
function twoSteps(config: RunConfig): RunConfig {
  const short = oneStep(config);
  return withStage(short, "explain", { budget: { ...short.stages[1]!.budget, maxSteps: 2 } });
}

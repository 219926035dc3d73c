import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { memory } from "@tensorflow/tfjs-core";
import { beforeAll, expect, test } from "vitest";
import { evalRun, type EvalEvent, planRun, predictRun } from "../../src/app/index.ts";
import { renderPlan } from "../../src/cli/render/plan.ts";
import type { RunConfig } from "../../src/config/index.ts";
import { packWeight, unpackedValues } from "../../src/backend/packed-weight.ts";
import { selectBackend } from "../../src/backend/select.ts";
import { readPredictions } from "../../src/eval/predictions.ts";
import { writeModelFolder } from "../../src/model/checkpoints/hf-folder.ts";
import { openSafetensors } from "../../src/model/checkpoints/safetensors.ts";
import { storeTensors } from "../../src/model/checkpoints/store-tensors.ts";
import { packsOf } from "../../src/model/frozen-base.ts";
import { initRandom } from "../../src/model/init.ts";
import { ParamStore } from "../../src/model/params.ts";
import { TOY_LANGUAGE_CONFIG } from "../eval/toy-predictor.ts";
import { stepsOf, toyRunConfig, toyWorkplace, train, writeToyModel } from "./toy-experiment.ts";

const TIMEOUT_MS = 60_000;
const place = toyWorkplace();
const signal = new AbortController().signal;
const NOTICE = "model.frozenBase int8: the backend cpu keeps every weight as float32; the numbers are rounded as they would be in 8 bits, but take as much memory as before";

/** A model and, in another folder, the same one with rounded numbers. */
beforeAll(async () => {
  await selectBackend("onnxruntime");
  const config = { ...TOY_LANGUAGE_CONFIG, audio_config: { ...TOY_LANGUAGE_CONFIG.audio_config!, num_mel_bins: 80 } };
  const params = new ParamStore();
  initRandom(config, 5, params);
  const tensors = await Promise.all(storeTensors(params).map(async (each) => ({ ...each, data: await params.read(each.name) })));
  const rounded = tensors.map(({ data, ...each }) => ({ ...each, data: packsOf("int8")(each.name, each.shape) ? unpackedValues(packWeight(data, each.shape)) : data }));
  for (const [name, content] of Object.entries({ plain: tensors, rounded })) {
    const folder = join(place.folder, name);
    await writeToyModel(folder);
    await writeModelFolder(folder, config, content);
  }
  params.dispose();
});

test("a run in 8 bits trains, is saved, resumed and evaluated as one with the rounded numbers in its model folder", { timeout: TIMEOUT_MS }, async () => {
  const [packed, rounded] = [join(place.folder, "run-int8"), join(place.folder, "run-rounded")];

  const stopped = await train(experiment("plain", "int8"), packed, { stopAfter: (event) => event.kind === "step" });
  const resumed = await train(experiment("plain", "int8"), packed, { resume: true });
  const expected = await train(experiment("rounded", "float32"), rounded);

  const steps = [...stepsOf(stopped), ...stepsOf(resumed)];
  expect(steps).toHaveLength(2);
  for (const [i, { loss, gradientNorm }] of stepsOf(expected).entries()) {
    expect(Math.abs(steps[i]!.loss / loss - 1)).toBeLessThan(1e-5);
    expect(Math.abs(steps[i]!.gradientNorm / gradientNorm - 1)).toBeLessThan(1e-5);
  }
  const unrounded = stepsOf(await train(experiment("plain", "float32"), join(place.folder, "run-plain")));
  expect(Math.abs(steps[0]!.loss / unrounded[0]!.loss - 1)).toBeGreaterThan(1e-6); // rounding was felt
  const saved = await openSafetensors(join(packed, "stage-1", (await readdir(join(packed, "stage-1"))).filter((name) => name.startsWith("step")).sort().at(-1)!, "model.safetensors"));
  await saved.close();
  expect(saved.names.length).toBe(6 + 2 * 14 + 14); // the projector, A and B, scales
  expect(saved.names.every((name) => name.startsWith("mlp1.") || name.includes(".lora_"))).toBe(true);
  expectSameAnswers(await likelihoods(packed), await likelihoods(rounded));
});

test("where weights stay floats a run in 8 bits has the same losses and answers, and one notice", { timeout: TIMEOUT_MS }, async () => {
  const [packed, floats] = [join(place.folder, "run-int8-again"), join(place.folder, "run-int8-cpu")];

  const expected = await train(experiment("plain", "int8"), packed);
  const events = await train({ ...experiment("plain", "int8"), backend: "cpu" }, floats);

  expect(warningsOf(expected)).toEqual([]);
  expect(warningsOf(events)).toEqual([NOTICE]);
  for (const [i, { loss }] of stepsOf(expected).entries()) expect(Math.abs(stepsOf(events)[i]!.loss / loss - 1)).toBeLessThan(1e-5);
  expectSameAnswers(await likelihoods(packed, "cpu", [NOTICE]), await likelihoods(packed));
});

test("a question about one video is answered where weights stay floats too, with the same notice", { timeout: TIMEOUT_MS }, async () => {
  const runDir = join(place.folder, "run-int8-asked");
  const last = (await train(experiment("plain", "int8"), runDir)).findLast((event) => event.kind === "checkpoint")!;
  const asked = { checkpoint: last.path, video: join(place.folder, "data/clips/test0002_utt1.mp4"), text: "Wow!", tasks: ["erc"], signal } as const;

  const kept = await predictRun({ ...asked, backend: "onnxruntime" });
  const floats = await predictRun({ ...asked, backend: "cpu" });

  expect([kept.warnings, floats.warnings]).toEqual([[], [NOTICE]]);
  expect(floats.answers).toEqual(kept.answers);
});

test("the plan counts weights in 8 bits on the backend that keeps them so", { timeout: TIMEOUT_MS }, async () => {
  const weights = async (config: RunConfig): Promise<number> => (await planRun({ config, stages: ["see"], signal })).stages[0]!.memory.weights;

  const [packed, floats] = [await weights(experiment("plain", "int8")), await weights(experiment("plain", "float32"))];

  // By hand: per layer, six matrices of the decoder in blocks of 16 (5 bytes for 4 numbers), and one of each tower.
  const numbers = 2 * (2 * 16 * 16 + 2 * 8 * 16 + 2 * 24 * 16 + 2 * 8 * 16);
  expect(floats - packed).toBeCloseTo((numbers * (4 - 20 / 16)) / 1e6, 9);
  expect(await weights({ ...experiment("plain", "int8"), backend: "cpu" })).toBe(floats);
  expect(renderPlan(await planRun({ config: { ...experiment("plain", "int8"), backend: "cpu" }, stages: ["see"], signal }))).toMatch(/, decoded clips \S+ MB\n/);
});

test("a stage that trains what is kept in 8 bits is refused before a weight is loaded, by the plan too", { timeout: TIMEOUT_MS }, async () => {
  const config = toyRunConfig(place.folder, { model: { folder: join(place.folder, "plain"), frozenBase: "int8" } });
  const tensors = memory().numTensors;
  const refusal = /^ConfigError stages\.see\.trainable: 16 of the trained parameters are kept in 8 bits \(model\.frozenBase: int8\), first "vision_model\.encoder\.layers\.0\.mlp\.fc2\.weight"\.\n {2}Match adapters and projectors only, or set model\.frozenBase: float32\.$/;

  await expect(train(config, join(place.folder, "refused"))).rejects.toThrow(refusal);
  await expect(planRun({ config, stages: ["see"], signal })).rejects.toThrow(refusal);
  expect(memory().numTensors).toBe(tensors);
});

/** Adapters on the decoder and the picture's projector, two steps. */
function experiment(folder: string, frozenBase: RunConfig["model"]["frozenBase"]): RunConfig {
  const stage = {
    name: "see",
    mixture: { msa: 1, erc: 1 },
    lora: { rank: 2, alpha: 4, targets: "language_model\\..*_proj" },
    trainable: [{ match: "^mlp1\\.|lora_[AB]", learningRate: 1e-2 }],
    budget: { epochs: 2, rowTokens: 420, rowsPerBatch: 1, accumulation: 2, maxSteps: 2 },
  };
  return toyRunConfig(place.folder, { model: { folder: join(place.folder, folder), frozenBase, system: "You are an expert." }, stages: [stage] });
}

/** Of every label in an evaluation, which gives the warnings. */
async function likelihoods(runDir: string, backend: RunConfig["backend"] = "onnxruntime", warnings: readonly string[] = []): Promise<number[]> {
  const events: EvalEvent[] = [];
  for await (const event of evalRun({ source: { runDir }, tasks: ["erc"], backend, signal })) events.push(event);
  expect(events.at(-1)?.kind).toBe("scores");
  expect(warningsOf(events)).toEqual(warnings);
  return (await readPredictions(join(runDir, "eval/erc.predictions.jsonl"))).flatMap(({ scores = {} }) => Object.values(scores));
}

function expectSameAnswers(actual: readonly number[], expected: readonly number[]): void {
  expect(expected).toHaveLength(2 * 7); // two samples, seven emotions
  for (const [i, value] of expected.entries()) expect(Math.abs(actual[i]! - value)).toBeLessThan(1e-4);
}

function warningsOf(events: readonly { readonly kind: string }[]): unknown[] {
  return events.flatMap((event) => (event.kind === "warning" && "message" in event ? [event.message] : []));
}

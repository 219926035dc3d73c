import { expect, test } from "vitest";
import { renderSetting } from "../../src/cli/render/config.ts";
import { renderClips, renderEvent, renderStep } from "../../src/cli/render/events.ts";
import { renderCount, renderDuration, renderMegabytes, renderScore, renderShare } from "../../src/cli/render/numbers.ts";
import { updatePace } from "../../src/cli/render/pace.ts";
import { renderPlan } from "../../src/cli/render/plan.ts";
import { renderScores } from "../../src/cli/render/scores.ts";
import { renderTable } from "../../src/cli/render/table.ts";
import type { PlannedStage } from "../../src/app/index.ts";
import type { ScoresFile } from "../../src/eval/score.ts";
import type { RunEvent } from "../../src/train/events.ts";

type StepEvent = RunEvent & { readonly kind: "step" };

function stepEvent(changes: Partial<StepEvent> = {}): StepEvent {
  return {
    kind: "step", stage: "one", step: 10, steps: 110, loss: 0.43219, taskLoss: { msa: 0.4 }, supervisedTokens: 50, tokens: 1500, learningRate: 9.8e-4,
    gradientNorm: 1, milliseconds: 500, mediaMilliseconds: 20, tensorsAlive: 9, megabytes: 1204.4, ...changes,
  };
}

test.each([[0, "0.0 s"], [8249, "8.2 s"], [59_949, "59.9 s"], [59_960, "1m 00s"], [185_000, "3m 05s"], [3_600_000, "1h 00m"], [8_040_000, "2h 14m"]])("%d ms are %s", (ms, text) => {
  expect(renderDuration(ms)).toBe(text);
});

test("numbers are grouped, shares in per cent, scores with three decimals", () => {
  expect([renderCount(999), renderCount(1000), renderCount(1_234_567.6)]).toEqual(["999", "1,000", "1,234,568"]);
  expect(renderShare(0.1234)).toBe("12.3%");
  expect([renderScore(0.98765), renderScore(1), renderScore(0), renderScore(12)]).toEqual(["0.988", "1.000", "0.000", "12"]);
});

test("megabytes become gigabytes from a thousand on", () => {
  expect([0, 0.2, 998.4, 999.2, 12_345].map(renderMegabytes)).toEqual(["0 MB", "1 MB", "999 MB", "1.0 GB", "12.3 GB"]);
});

test("a table is as wide as its widest cells", () => {
  expect(renderTable([{ title: "task" }, { title: "n", align: "right" }], [["msa", "12"], ["ecpe", "3"]])).toBe("task   n\n----  --\nmsa   12\necpe   3");
});

test("the step line shows losses by task, speed and the time that is left", () => {
  const event = stepEvent();

  expect(renderStep(event, updatePace(undefined, event))).toBe("one 10/110  loss 0.432 (msa 0.40)  lr 9.8e-4  3,000 tok/s  ETA 50.0 s  1,204 MB");
});

test("the line of clips that are being read", () => {
  expect(renderClips({ done: 120, total: 1600 })).toBe("reading clips 120/1,600");
});

test("pace is smoothed within a stage, keeps the loss of absent tasks and starts afresh with the next stage", () => {
  const first = updatePace(undefined, stepEvent());
  const second = updatePace(first, stepEvent({ taskLoss: { erc: 1 }, milliseconds: 1000 }));

  expect(second.millisecondsPerStep).toBeCloseTo(600, 9);                 // 500 + 0.2 * (1000 - 500)
  expect(second.tokensPerSecond).toBeCloseTo(2700, 9);                    // 3000 + 0.2 * (1500 - 3000)
  expect(second.taskLoss).toEqual({ msa: 0.4, erc: 1 });
  expect(updatePace(second, stepEvent({ stage: "two", milliseconds: 900 }))).toMatchObject({ millisecondsPerStep: 900, taskLoss: { msa: 0.4 } });
  expect(updatePace(second, stepEvent({ stage: "two", taskLoss: {} })).taskLoss).toEqual({});
});

const EVENTS: readonly (readonly [RunEvent, string | undefined])[] = [
  [{ kind: "run-start", backend: "onnxruntime", device: "2 threads", reason: "fastest without a GPU", stages: ["one", "two"], seed: 42 }, "backend onnxruntime (2 threads), fastest without a GPU; seed 42, stages: one, two"],
  [{ kind: "stage-start", stage: "one", steps: 1200, resumedFrom: 0, trainableParameters: 500_000, totalParameters: 2_000_000 }, "stage one: 1,200 steps, trains 500,000 of 2,000,000 parameters (25.0%)"],
  [{ kind: "stage-start", stage: "one", steps: 9, resumedFrom: 4, trainableParameters: 1, totalParameters: 1 }, "stage one: 9 steps, trains 1 of 1 parameters (100.0%), goes on after step 4"],
  [stepEvent(), undefined],
  [{ kind: "clips", done: 1, total: 2 }, undefined],
  [{ kind: "encoding", done: 1, total: 2 }, undefined],
  [{ kind: "features", stage: "one", computed: 1200, read: 8, rebuilt: 1, mediaSeconds: [61, 0.04] }, "stage one: 1,201 features of frozen towers computed, 8 read from the cache; media and towers by epoch: 1m 01s, 0.0 s"],
  [{ kind: "evaluation", stage: "one", step: 5, task: "erc", metric: "weightedF1", value: 0.5, best: true }, "one 5: erc weightedF1 0.500 on the validation split (best so far)"],
  [{ kind: "evaluation", stage: "one", step: 5, task: "erc", metric: "weightedF1", value: 0.5, best: false }, "one 5: erc weightedF1 0.500 on the validation split"],
  [{ kind: "checkpoint", stage: "one", step: 5, path: "r/step-000005", reason: "interval" }, undefined],
  [{ kind: "checkpoint", stage: "one", step: 5, path: "r/step-000005", reason: "end" }, "saved r/step-000005"],
  [{ kind: "stage-end", stage: "one", step: 5, seconds: 61, checkpoint: "x" }, "stage one done: 5 steps in 1m 01s"],
  [{ kind: "warning", message: "m" }, "warning: m"],
  [{ kind: "interrupted", stage: "one", step: 5, signal: "SIGINT" }, "interrupted by SIGINT after step 5 of one; go on with the same command and --resume"],
];

test.each(EVENTS)("event %j", (event, line) => {
  expect(renderEvent(event)).toBe(line);
});

test("a plan shows tasks, rows, drops and what is trained", () => {
  const stage: PlannedStage = {
    memory: { place: "host", spare: 0, least: 2853, most: 4822, weights: 1992.7, gradients: 17.6, moments: 35.2, clips: 0.2, activations: { intermediates: 13_204, inputs: 1403.2 }, peak: 3709 },
    largestBatch: { rows: 4, supervisedTokens: 30, videoClips: 3, audioClips: 2 },
    clipPasses: { videoClips: 60, audioClips: 40 }, distinctClips: { videoClips: 30, audioClips: 20 }, time: { teraflops: 31.2, seconds: 240 },
    stage: "one", epochs: 2, steps: 12, rows: 48, rowTokens: 512, rowsPerStep: 4, supervisedTokens: 400, packedTokens: 20_000, unpackedTokens: 40_000, sharingSaves: 0.5,
    paddingShare: 0.1863, meanTreesPerRow: 3.25, heaviestRow: { supervisedTokens: 9, usedTokens: 500, clips: 3 }, drops: { "longer than a row": 2 }, trainableParameters: 250, totalParameters: 1000,
    tasks: {
      msa: { level: 0.8, available: 100, samples: 160, supervisedTokens: 300, meanTokens: 90, meanAnswerTokens: 2 },
      erc: { level: 0.3, available: 100, samples: 60, supervisedTokens: 100, meanTokens: 120, meanAnswerTokens: 2 },
    },
  };

  const device = { of: "onnxruntime (2 CPU threads)", memory: { bytes: 4e9, source: "the system's memory" }, gigaflops: 260 };
  const fits = [{ stage: "one", verdict: "close", tooLarge: [], savings: [{ setting: "budget.accumulation: 1", peak: 3691.4 }] }] as const;
  expect(renderPlan({ stages: [stage], device, fits }).split("\n")).toEqual([
    "stage one: 12 steps of 4 rows, 2 epochs",
    "trains 250 of 1,000 parameters (25.0%)",
    "48 rows of 512 tokens: 18.6% padding, 3.3 trees a row, shared prefixes save 50.0% of the tokens",
    "memory: about 3.7 GB at most, of it weights 2.0 GB, gradients 18 MB, AdamW 36 MB, decoded clips 1 MB",
    "activations of the largest batch: 13.2 GB, with gradient checkpointing 1.4 GB",
    "may not fit: needs 2.9 GB to 4.8 GB, and onnxruntime (2 CPU threads) has 4.0 GB (the system's memory)",
    "  budget.accumulation: 1 saves 18 MB (about 3.69 GB)",
    "time: about 4m 00s, 20.0 s a step: 32 TFLOP of arithmetic at half of the 260 GFLOP/s that onnxruntime (2 CPU threads) reached just now; reading clips comes on top",
    "task  level  available  samples  supervised tokens  share  mean length",
    "----  -----  ---------  -------  -----------------  -----  -----------",
    "msa     0.8        100      160                300  75.0%           90",
    "erc     0.3        100       60                100  25.0%          120",
    "dropped: 2 (longer than a row)",
  ]);
  expect(renderPlan({ stages: [{ ...stage, drops: {} }], device, fits })).toMatch(/\ndropped: none$/);
});

test("a plan for a GPU says what its pool keeps, tensors beyond the limit, memory that is not known, and why another device was asked", () => {
  const memory: PlannedStage["memory"] = { place: "fused-gpu", spare: 1000, least: 18_300, most: 20_300, weights: 15_300, gradients: 20, moments: 40, clips: 500, activations: { intermediates: 31_000, inputs: 3000 }, peak: 19_400 };
  const stage = { memory, time: { teraflops: 0.4, seconds: null }, stage: "one", tasks: {}, drops: {}, totalParameters: 1 } as unknown as PlannedStage;
  const numbers = { epochs: 1, steps: 1, rows: 1, rowTokens: 1, rowsPerStep: 1, supervisedTokens: 0, paddingShare: 0, sharingSaves: 0, meanTreesPerRow: 1, trainableParameters: 1 };
  const of = "webgpu (Fake GPU)";
  const tooLarge = [{ name: "embedding", shape: [151_655, 3584], bytes: 2_174_126_080 }];
  const planned = (device: object, verdict: "exceeds" | "unknown"): string[] => renderPlan({ stages: [{ ...stage, ...numbers }], device: { of, ...device }, fits: [{ stage: "one", verdict, tooLarge, savings: [] }] }).split("\n");

  expect(planned({ memory: { bytes: 16e9, source: "nvidia-smi" }, largestTensor: 2 ** 31 - 4 }, "exceeds").slice(3, 7)).toEqual([
    "memory: about 19.4 GB at most, of it weights 15.3 GB, gradients 20 MB, AdamW 40 MB, kept for batches of other sizes 1.0 GB; decoded clips, in the system's memory, 500 MB",
    "activations of the largest batch: 31.0 GB, with gradient checkpointing 3.0 GB",
    "does not fit: needs 18.3 GB to 20.3 GB, and webgpu (Fake GPU) has 16.0 GB (nvidia-smi)",
    "too large for webgpu (Fake GPU): embedding [151,655 x 3,584], 2.2 GB of at most 2.1 GB in one tensor",
  ]);
  expect(planned({}, "unknown")).toContain("needs 18.3 GB to 20.3 GB; how much memory webgpu (Fake GPU) has is not known");
  expect(planned({}, "unknown")).toContain("time: 1 TFLOP of arithmetic; the rate of webgpu (Fake GPU) is not known");
  expect(planned({ backendFailure: "webgpu does not start here: no driver" }, "unknown")[0]).toBe("warning: webgpu does not start here: no driver");
});

test("scores stand beside the rules without a model; unread answers are counted", () => {
  const scores: ScoresFile = {
    task: "msa", split: "test", n: 120, decode: "score", protocol: "m2se", counting: "c", intervals: { accuracy: [0.88, 0.96] }, bootstrap: { unit: "record", units: 40, resamples: 1000, seed: 1, level: 0.95 }, metrics: { accuracy: 0.925, f1: 0.9 }, parseFailures: 3,
    baselines: { majority: { accuracy: 0.5, f1: 0.333 }, previous: { accuracy: 0.25 } }, checkpoint: "c", seconds: 1,
  };

  expect(renderScores([scores]).split("\n")).toEqual([
    "task    n  metric    model  95%             without a model",
    "----  ---  --------  -----  --------------  ------------------------------",
    "msa   120  accuracy  0.925  0.880 to 0.960  majority 0.500, previous 0.250",
    "           f1        0.900                  majority 0.333",
    "msa: 3 of 120 answers could not be read and count as wrong",
  ]);
});

test("a setting's meaning is spelled out", () => {
  expect(renderSetting({ path: "data.frames", description: "frames per clip", accepts: "a whole number above 0", default: 8, keys: [] })).toBe("data.frames\n  frames per clip\n  accepts: a whole number above 0\n  default: 8");
  expect(renderSetting({ path: "", description: undefined, accepts: "a group of settings", default: undefined, keys: ["a", "b"] })).toBe("the whole config\n  accepts: a group of settings\n  inside:  a, b");
});

test("a step on a GPU says how much of its memory is allocated", () => {
  const pace = { stage: "one", tokensPerSecond: 100, millisecondsPerStep: 10, taskLoss: {} };
  expect(renderStep(stepEvent({ gpuMegabytes: 11_177 }), pace)).toMatch(/1,204 MB {2}GPU 11,177 MB$/);
  expect(renderStep(stepEvent(), pace)).toMatch(/ {2}1,204 MB$/);
});

/**
 * @file Run as a program: trains a toy model on the software GPU for three steps, one batch each, and ends as the command
 * line does. `lost`: the device goes away while the second step is under way.
 */
import { tensor, backend } from "@tensorflow/tfjs-core";
import { WebGPUBackend } from "@tensorflow/tfjs-backend-webgpu";
import { selectBackend } from "../../src/backend/select.ts";
import { describeFailure } from "../../src/cli/failure.ts";
import { finder, outlineOf } from "../../src/curriculum/outline.ts";
import { scheduleStage } from "../../src/curriculum/schedule.ts";
import { trainStage } from "../../src/train/train-stage.ts";
import { toyConfig } from "../model/toy-model.ts";
import { TOY_MEDIA_ROWS, toyClipSamples, toyMedia, toyWeights } from "./toy-rows.ts";

const isLost = process.argv[2] === "lost";
const trained = ["language_model.lm_head.weight"];

await selectBackend("cpu");
const params = toyWeights();
const numbers = params.names().map((name) => ({ name, shape: params.get(name).shape, values: params.get(name).dataSync<"float32">().slice() }));
await selectBackend("webgpu:SwiftShader");
for (const { name, shape, values } of numbers) params.set(name, tensor(values, shape));
params.setTrainable(trained);

let batches = 0;
const samples = toyClipSamples("text b", ["ecpe", "erc"]);
const run = trainStage({
  stage: "toy",
  params,
  config: toyConfig,
  schedule: scheduleStage({ stage: "toy", seed: 5, samples: samples.map(outlineOf), mixture: { ecpe: 1, erc: 1 }, budget: { epochs: 3, rowTokens: 40, rowsPerBatch: 1, accumulation: 1 } }),
  batchSpec: { encode: finder(samples), featureRows: TOY_MEDIA_ROWS },
  media: (batch) => {
    batches += 1;
    const current = backend();
    if (isLost && batches === 2 && current instanceof WebGPUBackend) current.device.destroy();
    return Promise.resolve(toyMedia(batch));
  },
  learningRates: new Map(trained.map((name) => [name, 1e-3])),
  promptWeight: 0,
  learningRateSchedule: { kind: "cosine", warmup: 0.1, floor: 0.1 },
  optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 },
  start: { step: 0, moments: new Map() },
  save: (step) => Promise.resolve(`step ${step}`),
  saveEverySteps: 1,
  signal: new AbortController().signal,
});

try {
  for await (const event of run) process.stdout.write(event.kind === "step" ? `step ${event.step}\n` : event.kind === "checkpoint" ? `saved ${event.path}\n` : "");
} catch (error) {
  const { text, exitCode } = describeFailure(error, { stopped: false });
  process.stderr.write(`${text}\n`);
  process.exitCode = exitCode;
}

import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import type { Kept } from "../../src/backend/blocks.ts";
import { freshTensor } from "../../src/backend/webgpu/dispatch.ts";
import { finder, outlineOf } from "../../src/curriculum/outline.ts";
import { scheduleStage } from "../../src/curriculum/schedule.ts";
import { storeTensors } from "../../src/model/checkpoints/store-tensors.ts";
import { LORA_SCALE } from "../../src/model/linear.ts";
import { addLora, isLora } from "../../src/model/lora.ts";
import type { ParamStore } from "../../src/model/params.ts";
import { type AdamWState, disposeMoments, moment } from "../../src/train/adamw.ts";
import { loadCheckpointWeights, readCheckpointOptimizer, saveCheckpoint } from "../../src/train/checkpoint.ts";
import type { RunEvent } from "../../src/train/events.ts";
import { lossAndGradients } from "../../src/train/micro-batch.ts";
import { trainStage, type StageRun } from "../../src/train/train-stage.ts";
import { describeOnGpu, gpuBackend, normals, relativeDifference, valuesOf } from "../backend/webgpu/software-gpu.ts";
import { packRows } from "../curriculum/toy-samples.ts";
import { toyConfig } from "../model/toy-model.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { state } from "./checkpoint-state.ts";
import { gpuWeights, onBoth } from "./gpu-model.ts";
import { TOY_MEDIA_ROWS, toyBatch, toyClipSamples, toyMedia, toyWeights } from "./toy-rows.ts";

const TIMEOUT_MS = 120_000;
/** Clips with frames, with sound, with words alone. */
const SAMPLES = [...toyClipSamples("a", ["msa", "erc", "fer"]), ...toyClipSamples("text b", ["ecpe", "erc"]), ...toyClipSamples("sound c", ["eri"]), ...toyClipSamples("d", ["msa", "eri"], { answer: 5 })];
const LOSS = 1e-5;
const GRADIENT = 1e-4;

describeOnGpu("training on a GPU", () => {
  test("two rows that share no clip: losses and the gradient of every parameter are the host's", { timeout: TIMEOUT_MS }, async () => {
    const { host, gpu } = await onBoth((params) => losses(params, params.names(), "intermediates"));

    expect(host.gradients.size).toBeGreaterThan(80);
    expectClose(gpu, host);
  });

  test("evaluated again, in buffers that hold NaN until a kernel writes them, losses and gradients are the same bits", { timeout: TIMEOUT_MS }, async () => {
    const params = await gpuWeights(withAdapters);
    const trained = params.names().filter((name) => !name.endsWith(`.${LORA_SCALE}`));
    const first = await losses(params, trained, "inputs");

    const again = await inPoisonedBuffers(() => losses(params, trained, "inputs"));
    const [unwritten] = await inPoisonedBuffers(() => valuesOf([unwrittenTensor(8)]));
    params.dispose();

    expect(first.gradients.size).toBeGreaterThan(100);
    expect(unwritten!.every(Number.isNaN)).toBe(true);
    expect(again).toEqual(first);
  });

  test("adapters alone, their layers frozen and computed again: losses and gradients are the host's", { timeout: TIMEOUT_MS }, async () => {
    const { host, gpu } = await onBoth((params) => losses(params, adapters(params), "inputs"), withAdapters);

    expect(host.gradients.size).toBe(2 * (7 + 3) * 2); // A and B of the decoder's layers and of those that hear
    expectClose(gpu, host);
  });

  test("three steps: losses, norms, moments and weights are the host's", { timeout: TIMEOUT_MS }, async () => {
    const { host, gpu } = await onBoth(async (params) => {
      const run = stageRun(params, { rowTokens: 90, maxSteps: 3 });
      const steps = stepsOf(await collect(run));
      const moments = await Promise.all([...run.start.moments].map(async ([name, { first }]) => [name, Float32Array.from(await first.data())] as const));
      const weights = await Promise.all(params.names().map(async (name) => [name, Float32Array.from(await params.get(name).data())] as const));
      disposeMoments(run.start.moments);
      return { steps, moments: new Map(moments), weights: new Map(weights) };
    });

    expect(gpu.steps.length).toBe(3);
    gpu.steps.forEach((step, i) => {
      expect(step.loss / host.steps[i]!.loss, `loss of step ${i + 1}`).toBeCloseTo(1, 4);
      expect(step.gradientNorm / host.steps[i]!.gradientNorm, `norm of step ${i + 1}`).toBeCloseTo(1, 3);
    });
    expect(host.moments.size).toBe(host.weights.size);
    const largestMoment = Math.max(...[...host.moments.values()].map((first) => Math.max(...first.map(Math.abs))));
    for (const [name, first] of host.moments) expect(Math.max(...first.map((value, i) => Math.abs(value - gpu.moments.get(name)![i]!))) / largestMoment, name).toBeLessThan(1e-3);
    for (const [name, weight] of host.weights) expect(relativeDifference(gpu.weights.get(name)!, weight), name).toBeLessThan(5e-3);
  });

  test("thirty steps of ever new lengths leave as many tensors, and as much memory in use, as three", { timeout: TIMEOUT_MS }, async () => {
    const params = await gpuWeights(withAdapters);
    const names = adapters(params);
    const alive: number[] = [];
    const used: number[] = [];
    for (let step = 0; step < 30; step++) {
      const { gradients, losses: own } = lossAndGradients(params, toyConfig, batchOf(SAMPLES.slice(3, 5), 25 + step), names);
      await own.data();
      tf.dispose([own, ...gradients.values()]);
      alive.push(tf.memory().numTensors);
      used.push(gpuBytesInUse());
    }
    params.dispose();

    expect(new Set(alive.slice(2)).size).toBe(1);
    expect(new Set(used.slice(2)).size).toBe(1);
  });

  test("a gradient that is not finite stops before the update, with its name", { timeout: TIMEOUT_MS }, async () => {
    const params = await gpuWeights();
    const run = stageRun(params, { rowTokens: 90, maxSteps: 1 });
    const broken = "language_model.model.layers.0.mlp.down_proj.weight";
    params.set(broken, tf.tensor(normals("broken", params.get(broken).size).fill(Number.NaN, 3, 4), params.get(broken).shape));
    const alive = tf.memory().numTensors;

    await expect(collect(run)).rejects.toThrow(/^SystemError stage toy, step 1: the loss or a gradient is not finite\. Got loss NaN, expected a number; first gradient: \S+ \(\d+ in all\)\./);

    expect(run.start.moments.size).toBe(0);
    expect(tf.memory().numTensors).toBe(alive);
    params.dispose();
  });

  test("a checkpoint of the GPU's numbers is, byte for byte, the host's, and gives them back there", { timeout: TIMEOUT_MS }, async () => {
    const folder = await temporaryFolder();
    const saved = await onBoth(async (params) => {
      const optimizer: AdamWState = new Map(["mlp1.1.bias", "language_model.lm_head.weight"].map((name) => [name, { step: 3, first: moment(normals(`first ${name}`, params.get(name).size)), second: moment(normals(`second ${name}`, params.get(name).size)) }]));
      const checkpoint = await saveCheckpoint(join(folder, tf.getBackend()), { weights: storeTensors(params), optimizer, state: state({}) });
      disposeMoments(optimizer);
      return checkpoint;
    });
    const gpuOptimizer = await readCheckpointOptimizer(saved.gpu);
    const [first] = await valuesOf([gpuOptimizer.get("mlp1.1.bias")!.first]);

    await tf.setBackend("cpu");
    const [again, expected] = [toyWeights(2), toyWeights(1)];
    await loadCheckpointWeights(saved.gpu, again);

    expect(saved.gpu.hash).toBe(saved.host.hash);
    expect(first).toEqual(normals("first mlp1.1.bias", first!.length));
    for (const name of expected.names()) expect(again.get(name).dataSync(), name).toEqual(expected.get(name).dataSync());
    again.dispose();
    expected.dispose();
  });
});

interface Outcome {
  readonly losses: Float32Array;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

async function losses(params: ParamStore, trained: readonly string[], kept: Kept): Promise<Outcome> {
  params.setTrainable(trained, kept);
  const input = batchOf(SAMPLES, 90);
  expect(input.batch.batchSize).toBe(2);
  const alive = tf.memory().numTensors;
  const found = lossAndGradients(params, toyConfig, input, trained);
  const [own, ...gradients] = await valuesOf([found.losses, ...found.gradients.values()]);
  expect(tf.memory().numTensors).toBe(alive);
  return { losses: own!, gradients: new Map([...found.gradients.keys()].map((name, i) => [name, gradients[i]!])) };
}

function unwrittenTensor(size: number): tf.Tensor {
  const info = freshTensor(gpuBackend(), [size]);
  gpuBackend().uploadToGPU(info.dataId);
  return tf.engine().makeTensorFromTensorInfo(info);
}

/** Runs `body` with every buffer that is given out for a kernel's results filled with NaN. */
async function inPoisonedBuffers<T>(body: () => Promise<T>): Promise<T> {
  const backend = gpuBackend();
  const { bufferManager: pool } = backend;
  const acquire = pool.acquireBuffer.bind(pool);
  pool.acquireBuffer = (size, usage, isMapped, reuse) => {
    const buffer = acquire(size, usage, isMapped, reuse);
    const wanted = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    if (isMapped === true || (usage & wanted) !== wanted) return buffer;
    // What is queued may still read it.
    backend.ensureCommandEncoderReady();
    backend.endComputePassEncoder();
    backend.submitQueue();
    backend.device.queue.writeBuffer(buffer, 0, new Float32Array(size / 4).fill(Number.NaN));
    return buffer;
  };
  try {
    return await body();
  } finally {
    pool.acquireBuffer = acquire;
  }
}

function batchOf(samples: typeof SAMPLES, rowTokens: number): Parameters<typeof lossAndGradients>[2] {
  const batch = toyBatch(...packRows(samples, { rowTokens }).rows);
  return { batch, media: toyMedia(batch) };
}

function expectClose(gpu: Outcome, host: Outcome): void {
  expect(host.losses.length).toBeGreaterThan(20);
  expect(relativeDifference(gpu.losses, host.losses)).toBeLessThan(LOSS);
  const worst = [...host.gradients].filter(([, values]) => values.some((value) => Math.abs(value) > 1e-6)).map(([name, values]) => ({ name, difference: relativeDifference(gpu.gradients.get(name)!, values) }));
  expect(worst.length).toBeGreaterThan(0.9 * host.gradients.size);
  expect(worst.filter(({ difference }) => !(difference < GRADIENT))).toEqual([]);
}

function adapters(params: ParamStore): string[] {
  return params.names().filter((name) => isLora(name) && !name.endsWith(`.${LORA_SCALE}`));
}

/** B is not zero, as at the start. */
function withAdapters(params: ParamStore): void {
  const modules = addLora(params, { rank: 4, alpha: 8, targets: ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"] }, 1);
  for (const module of modules) {
    const name = `${module}.lora_B.weight`;
    params.set(name, tf.tensor(normals(name, params.get(name).size, 0.2), params.get(name).shape));
  }
}

function stageRun(params: ParamStore, budget: { readonly rowTokens: number; readonly maxSteps: number }): StageRun {
  return {
    stage: "toy",
    params,
    config: toyConfig,
    schedule: scheduleStage({ stage: "toy", seed: 5, samples: SAMPLES.map(outlineOf), mixture: { msa: 1, erc: 1, fer: 1, eri: 1, ecpe: 1 }, budget: { epochs: 3, rowsPerBatch: 1, accumulation: 2, ...budget } }),
    batchSpec: { encode: finder(SAMPLES), featureRows: TOY_MEDIA_ROWS },
    media: (batch) => Promise.resolve(toyMedia(batch)),
    learningRates: new Map(params.names().map((name) => [name, 1e-3])),
    promptWeight: 0,
    learningRateSchedule: { kind: "cosine", warmup: 0.1, floor: 0.1 },
    optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clipNorm: 1 },
    start: { step: 0, moments: new Map() },
    save: (step) => Promise.resolve(`step ${step}`),
    saveEverySteps: 1000,
    signal: new AbortController().signal,
  };
}

async function collect(run: StageRun): Promise<RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of trainStage(run)) events.push(event);
  return events;
}

function stepsOf(events: readonly RunEvent[]): Extract<RunEvent, { kind: "step" }>[] {
  return events.filter((event) => event.kind === "step");
}

/** Without what the pool keeps for later. */
function gpuBytesInUse(): number {
  const { numBytesInGPU } = tf.memory() as unknown as { readonly numBytesInGPU: number };
  return numBytesInGPU;
}

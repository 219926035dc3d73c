import { readFile } from "node:fs/promises";
import { memory, scalar, tensor, tidy } from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { adamwKernel } from "../../src/backend/adamw-kernel.ts";
import { hasHostMemory, readFloats } from "../../src/backend/host-memory.ts";
import { openSafetensors } from "../../src/model/checkpoints/safetensors.ts";
import { ParamStore } from "../../src/model/params.ts";
import { adamwStep, adamwUpdate, decaysMatrices, disposeMoments, type AdamWState, type AdamWUpdate } from "../../src/train/adamw.ts";
import { useDeviceDouble } from "../backend/device-double.ts";
import { goldenPath } from "../golden/golden.ts";
import { randomTensor, relativeError, useBackend } from "../model/support.ts";
import { emptyStore } from "../model/toy-model.ts";

const OPTIONS = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1 };

test("two steps give the numbers worked out by hand", () => {
  const parameter = Float32Array.of(1);
  const moments = { first: new Float32Array(1), second: new Float32Array(1) };
  const scalars = { ...OPTIONS, learningRate: 0.01, gradientScale: 1 };

  // Step 1: m = 0.05, v = 0.0125, m / 0.1 = 0.5, sqrt(v / 0.05) = 0.5: p = 1 * 0.999 - 0.01.
  adamwStep({ parameter, gradient: Float32Array.of(0.5), ...moments }, { ...scalars, step: 1 });
  expect(parameter[0]).toBeCloseTo(0.989, 6);
  expect([moments.first[0], moments.second[0]]).toEqual([Math.fround(0.05), Math.fround(0.0125)]);

  // Step 2: m = 0.045 - 0.1 = -0.055, v = 0.011875 + 0.05 = 0.061875,
  // m / 0.19 = -0.2894737, sqrt(v / 0.0975) = 0.7966315: p = 0.989 * 0.999 + 0.01 * 0.3633722.
  adamwStep({ parameter, gradient: Float32Array.of(-1), ...moments }, { ...scalars, step: 2 });
  expect(parameter[0]).toBeCloseTo(0.9916447, 6);
});

test("the backend's kernel gives the formula's numbers over three steps, across the border of its pieces", async () => {
  await useBackend("onnxruntime");
  const length = (1 << 17) + 5;
  const numbers = (key: string): Float32Array => Float32Array.from(randomTensor(key, [length]).dataSync());
  const arrays = { parameter: numbers("p"), gradient: numbers("g"), first: new Float32Array(length), second: new Float32Array(length) };
  const fused = { ...arrays, parameter: arrays.parameter.slice(), first: new Float32Array(length), second: new Float32Array(length) };
  const kernel = adamwKernel();
  expect(kernel).toBeDefined();

  for (const step of [1, 2, 3]) {
    const scalars = { ...OPTIONS, learningRate: 0.01, gradientScale: 0.3 * step, step };
    adamwStep(arrays, scalars);
    kernel?.(fused, scalars);
  }

  for (const name of ["parameter", "first", "second"] as const) expect(relativeError(tensor(fused[name]), tensor(arrays[name])), name).toBeLessThan(1e-6);
  await useBackend("cpu");
  expect(adamwKernel()).toBeUndefined();
}, 60_000);

test("the update counts its steps: the same two steps on a store", async () => {
  const store = await emptyStore();
  const state: AdamWState = new Map();
  store.set("a", tensor([1]));
  for (const gradient of [0.5, -1]) await adamwUpdate(store, state, update(new Map([["a", tensor([gradient])]])));

  expect(store.get("a").dataSync()[0]).toBeCloseTo(0.9916447, 6);
  expect(state.get("a")?.step).toBe(2);
});

test.each(["internvl2-qwen2", "internvl2-internlm2"])("one step from PyTorch's gradients gives PyTorch's weights: %s", async (set) => {
  const store = await emptyStore();
  const files = await Promise.all([["expected.safetensors"], ["model.safetensors"], ["lora", "adapter_model.safetensors"]].map((path) => openSafetensors(goldenPath(set, ...path))));
  const read = async (name: string): Promise<Float32Array> => {
    const file = files.find((each) => each.has(name));
    if (file === undefined) throw new Error(name);
    return file.readFloats(name);
  };
  const { lora } = JSON.parse(await readFile(goldenPath(set, "expected.json"), "utf8")) as { lora: { trained: string[] } };
  const start = new Map<string, Float32Array>();
  const gradients = new Map<string, ReturnType<typeof tensor>>();
  for (const name of lora.trained) {
    start.set(name, await read(name));
    store.set(name, tensor(await read(name)));
    gradients.set(name, tensor(await read(`grad.${name}`)));
  }

  await adamwUpdate(store, new Map(), { ...update(gradients), learningRate: () => 1e-3, decays: () => true });

  let compared = 0;
  let nearZero = 0;
  for (const name of lora.trained) {
    const [after, expected, before, gradient] = [store.get(name).dataSync(), await read(`step1.${name}`), start.get(name), gradients.get(name)?.dataSync()];
    const largest = Math.max(...(gradient ?? []).map(Math.abs));
    expected.forEach((value, i) => {
      const isNearZero = Math.abs(gradient?.[i] ?? 0) < 1e-4 * largest;
      const [from, tolerance] = isNearZero ? [before?.[i] ?? NaN, 2.2e-3] : [value, 2e-5];
      if (isNearZero) nearZero++;
      else compared++;
      if (!(Math.abs((after[i] ?? NaN) - from) <= tolerance)) expect.fail(`${name}[${i}]: ${after[i]}, expected ${value}`);
    });
  }
  expect(compared).toBeGreaterThan(10000);
  expect(nearZero).toBeLessThan(30);
  await Promise.all(files.map((file) => file.close()));
});

test("moments follow the name when the trained set shrinks and grows between steps", async () => {
  const run = async (steps: readonly (readonly string[])[]): Promise<ParamStore> => {
    const store = await emptyStore();
    const state: AdamWState = new Map();
    for (const name of ["a", "b", "c"]) store.set(name, tensor([1, 2]));
    for (const names of steps) await adamwUpdate(store, state, update(new Map(names.map((name) => [name, tensor([name.charCodeAt(0), -1])]))));
    return store;
  };

  const [together, alone] = [await run([["a", "b", "c"], ["b", "c"], ["a", "c"]]), await run([["c"], ["c"], ["c"]])];

  expect(together.get("c").dataSync()).toEqual(alone.get("c").dataSync());
  expect([...together.get("c").dataSync()]).not.toEqual([1, 2]);
});

test("frozen parameters, given tensors and the number of tensors stay as they are, inside tidy too", async () => {
  const store = await emptyStore();
  store.set("a", tensor([1, 2]));
  store.set("frozen", tensor([5]));
  const gradient = tensor([1, 1]);
  const before = memory().numTensors;

  const state: AdamWState = new Map();
  tidy(() => {
    scalar(1);
    void adamwUpdate(store, state, update(new Map([["a", gradient]]))); // in memory all of it happens at once
  });

  expect(memory().numTensors).toBe(before + 2);
  disposeMoments(state);
  expect(state.size).toBe(0);
  expect(memory().numTensors).toBe(before);
  expect([...store.get("frozen").dataSync()]).toEqual([5]);
  expect([...gradient.dataSync()]).toEqual([1, 1]);
  expect([...store.get("a").dataSync()].every((value) => Number.isFinite(value))).toBe(true);
});

test("learning rate, gradient scale and decay act per parameter", async () => {
  const store = await emptyStore();
  for (const name of ["slow", "fast", "undecayed"]) store.set(name, tensor([1]));
  const zero = new Map(["slow", "fast", "undecayed"].map((name) => [name, tensor([0])]));

  await adamwUpdate(store, new Map(), { ...update(zero), learningRate: (name) => (name === "slow" ? 0.1 : 0.5), decays: (name) => name !== "undecayed" });

  // With a zero gradient only the decay acts: 1 - lr * 0.1.
  expect(store.get("slow").dataSync()[0]).toBeCloseTo(0.99, 6);
  expect(store.get("fast").dataSync()[0]).toBeCloseTo(0.95, 6);
  expect(store.get("undecayed").dataSync()[0]).toBe(1);

  const state: AdamWState = new Map();
  await adamwUpdate(store, state, { ...update(new Map([["slow", tensor([8])]])), gradientScale: 0.25 });
  expect(state.get("slow")?.first.dataSync()[0]).toBeCloseTo(0.2, 6);
  expect(state.get("slow")?.step).toBe(1);
});

test("matrices decay; norms, biases, layer scales, class token and positions do not", () => {
  const decayed: readonly (readonly [string, readonly number[]])[] = [
    ["mlp1.1.weight", [4, 4]],
    ["vision_model.embeddings.patch_embedding.weight", [4, 3, 2, 2]],
    ["language_model.model.layers.0.self_attn.q_proj.lora_A.weight", [2, 4]],
  ];
  const free: readonly (readonly [string, readonly number[]])[] = [
    ["mlp1.1.bias", [4]],
    ["language_model.model.norm.weight", [4]],
    ["vision_model.encoder.layers.0.ls1", [4]],
    ["vision_model.embeddings.class_embedding", [1, 1, 4]],
    ["vision_model.embeddings.position_embedding", [1, 5, 4]],
    ["audio_model.encoder.embed_positions.weight", [6, 4]],
  ];

  expect(decayed.map(([name, shape]) => decaysMatrices(name, shape))).toEqual([true, true, true]);
  expect(free.map(([name, shape]) => decaysMatrices(name, shape))).toEqual(free.map(() => false));
});

function update(gradients: AdamWUpdate["gradients"]): AdamWUpdate {
  return { gradients, gradientScale: 1, learningRate: () => 0.01, decays: () => true, options: OPTIONS };
}

test.each([["with", true], ["without", false]] as const)("on a device %s the kernel, parameters and moments are those of the formula, and nothing else is left", async (_, ownKernels) => {
  const { reads } = await useDeviceDouble({ ownKernels });
  expect(hasHostMemory()).toBe(false);
  const store = new ParamStore();
  const state: AdamWState = new Map();
  const given = Float32Array.of(1, -2, 3);
  const arrays = { parameter: given.slice(), first: new Float32Array(3), second: new Float32Array(3) };
  store.set("a", tensor(given, [3, 1]));
  const shared = store.get("a").clone();
  const counts: number[] = [];

  for (const step of [1, 2, 3]) {
    const gradient = Float32Array.of(0.5, step, -1);
    adamwStep({ ...arrays, gradient }, { ...OPTIONS, learningRate: 0.01, gradientScale: 1, step });
    const onDevice = tensor(gradient, [3, 1]);
    await adamwUpdate(store, state, update(new Map([["a", onDevice]])));
    onDevice.dispose();
    counts.push(memory().numTensors);
  }

  expect(reads()).toBe(ownKernels ? 0 : 12);
  expect(store.get("a").shape).toEqual([3, 1]);
  expect(await readFloats(store.get("a"))).toEqual(arrays.parameter);
  expect(await readFloats(state.get("a")!.first)).toEqual(arrays.first);
  expect(await readFloats(state.get("a")!.second)).toEqual(arrays.second);
  expect(await readFloats(shared)).toEqual(Float32Array.of(1, -2, 3)); // another tensor on the same memory
  expect(given).toEqual(Float32Array.of(1, -2, 3));
  expect(new Set(counts).size).toBe(1);
  disposeMoments(state);
  store.dispose();
  shared.dispose();
});

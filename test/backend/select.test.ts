import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import { add, backend, getBackend, registerBackend, tensor1d } from "@tensorflow/tfjs-core";
import { afterEach, expect, test, vi } from "vitest";
import { OrtBackend } from "../../src/backend/onnxruntime/backend.ts";
import { selectBackend } from "../../src/backend/select.ts";

/** What the machine is like: by default nothing but a CPU. */
const machine = vi.hoisted(() => ({
  hasGpu: false,
  ortFailure: undefined as string | undefined,
  webgpuFailure: undefined as string | undefined,
  adapter: undefined as string | undefined,
  tensorflow: undefined as { readonly isOnGpu: boolean } | undefined,
}));

vi.mock("../../src/backend/gpu-files.ts", () => ({ mayHaveGpu: () => machine.hasGpu }));
vi.mock("../../src/backend/onnxruntime/backend.ts", async (original) => {
  const real = await original<{ readonly registerOrtBackend: () => void }>();
  return {
    ...real,
    registerOrtBackend: () => {
      if (machine.ortFailure !== undefined) throw new Error(machine.ortFailure);
      real.registerOrtBackend();
    },
  };
});
vi.mock("../../src/backend/webgpu/backend.ts", () => ({
  registerWebGpuBackend: (adapter: string | undefined) => {
    if (machine.webgpuFailure !== undefined) return Promise.reject(new Error(machine.webgpuFailure));
    machine.adapter = adapter;
    register("webgpu");
    return Promise.resolve({ description: `${adapter ?? "the fastest"} (fake)`, info: { vendor: "fake", device: "gpu", isFallbackAdapter: false }, device: { limits: { maxBufferSize: 2 ** 32, maxStorageBufferBindingSize: 2 ** 31 - 4 } } });
  },
}));
vi.mock("../../src/backend/webgpu/adapters.ts", async (original) => ({
  ...(await original<object>()),
  adapterNames: () => Promise.resolve([{ name: "Fake GPU 9000", api: "vulkan" }]),
}));
vi.mock("../../src/backend/tensorflow.ts", () => ({
  tensorflowPackages: () => (machine.tensorflow === undefined ? [] : ["@tensorflow/tfjs-node-gpu"]),
  registerTensorflowBackend: () => {
    register("tensorflow");
    return { description: "libtensorflow (fake)", isOnGpu: machine.tensorflow?.isOnGpu ?? false };
  },
}));

/** What the fake adapter says; a tensor fits one binding and one buffer. */
const GPU = { vendor: "fake", isSoftware: false, largestTensor: 2 ** 31 - 4 };

/** A backend that computes as the CPU's. */
function register(name: string): void {
  registerBackend(name, () => new MathBackendCPU()); // a second time does nothing
}

afterEach(() => Object.assign(machine, { hasGpu: false, ortFailure: undefined, webgpuFailure: undefined, adapter: undefined, tensorflow: undefined }));

test.each(["cpu", "onnxruntime"])("%s starts when it is asked for", async (name) => {
  const active = await selectBackend(name);

  expect(active).toMatchObject({ name, reason: "asked for" });
  expect(active.device).toMatch(/^\d+ CPU threads, \S/);
  expect(getBackend()).toBe(name);
  expect(backend() instanceof OrtBackend).toBe(name === "onnxruntime");
  expect([...add(tensor1d([1, 2]), 1).dataSync()]).toEqual([2, 3]);
});

test("a GPU that is asked for is started, on the adapter that is named", async () => {
  expect(await selectBackend("webgpu")).toEqual({ name: "webgpu", device: "the fastest (fake)", reason: "asked for", gpu: GPU });
  expect(await selectBackend("webgpu:fake gpu")).toEqual({ name: "webgpu", device: "Fake GPU 9000 (fake)", reason: "asked for", gpu: GPU });
  expect([getBackend(), machine.adapter]).toEqual(["webgpu", "Fake GPU 9000"]);
  await expect(selectBackend("webgpu:other")).rejects.toThrow(`no adapter's name contains "other"; there is "Fake GPU 9000".`);
});

test("tensorflow that is asked for is started with or without a GPU", async () => {
  expect(await selectBackend("tensorflow")).toEqual({ name: "tensorflow", device: "libtensorflow (fake)", reason: "asked for" });
});

test("auto takes a GPU through webgpu first", async () => {
  Object.assign(machine, { hasGpu: true, tensorflow: { isOnGpu: true } });

  expect(await selectBackend("auto")).toEqual({ name: "webgpu", device: "the fastest (fake)", reason: "fastest", gpu: GPU });
  expect(machine.adapter).toBeUndefined(); // not by name: a software adapter is refused
});

test("auto takes tensorflow where webgpu fails, but only on a GPU", async () => {
  Object.assign(machine, { hasGpu: true, webgpuFailure: "the only adapter is software", tensorflow: { isOnGpu: true } });
  expect(await selectBackend("auto")).toMatchObject({ name: "tensorflow", reason: "fastest that works (webgpu: the only adapter is software)" });

  machine.tensorflow = { isOnGpu: false };
  expect(await selectBackend("auto")).toMatchObject({ name: "onnxruntime", reason: "fastest that works (webgpu: the only adapter is software; tensorflow: it found no GPU)" });

  machine.tensorflow = undefined;
  expect(await selectBackend("auto")).toMatchObject({ name: "onnxruntime", reason: "fastest that works (webgpu: the only adapter is software; tensorflow: @tensorflow/tfjs-node-gpu is not installed)" });
});

test("auto on a machine without a GPU loads nothing for one, and says so", async () => {
  machine.webgpuFailure = "must not be loaded";

  expect(await selectBackend("auto")).toMatchObject({ name: "onnxruntime", reason: "fastest without a GPU" });
});

test("auto goes on to the next when one fails, and says why", async () => {
  machine.ortFailure = "no such library";

  expect(await selectBackend("auto")).toMatchObject({ name: "cpu", reason: "fastest that works (onnxruntime: no such library)" });
  await expect(selectBackend("onnxruntime")).rejects.toThrow("no such library"); // asked for by name, it does not fall back
});

test("a name that is none is refused, with the list and the nearest", async () => {
  await expect(selectBackend("onnx")).rejects.toThrow('ConfigError backend: "onnx" is not one.\n  Known: auto, onnxruntime, tensorflow, webgpu, cpu, webgpu:NAME. Did you mean "onnxruntime"?');
});

test("a precision that the backend does not have is refused", async () => {
  await expect(selectBackend("cpu", "half")).rejects.toThrow(/^ConfigError precision: the backend cpu \(.*\) computes in single precision\. Got "half", expected "single"\.\n {2}Leave precision out, or use --backend webgpu/);
  expect(await selectBackend("cpu", "single")).toMatchObject({ name: "cpu" });
});

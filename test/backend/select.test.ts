import { add, backend, getBackend, tensor1d } from "@tensorflow/tfjs-core";
import { afterEach, expect, test, vi } from "vitest";
import { OrtBackend } from "../../src/backend/onnxruntime/backend.ts";
import { selectBackend } from "../../src/backend/select.ts";

const failure = vi.hoisted((): { message: string | undefined } => ({ message: undefined }));
vi.mock("../../src/backend/onnxruntime/backend.ts", async (original) => {
  const real = await original<{ readonly registerOrtBackend: () => void }>();
  return {
    ...real,
    registerOrtBackend: () => {
      if (failure.message !== undefined) throw new Error(failure.message);
      real.registerOrtBackend();
    },
  };
});
afterEach(() => {
  failure.message = undefined;
});

test.each(["cpu", "onnxruntime"])("%s starts when it is asked for", async (name) => {
  const active = await selectBackend(name);

  expect(active).toMatchObject({ name, reason: "asked for" });
  expect(active.device).toMatch(/^\d+ CPU threads, \S/);
  expect(getBackend()).toBe(name);
  expect(backend() instanceof OrtBackend).toBe(name === "onnxruntime");
  expect([...add(tensor1d([1, 2]), 1).dataSync()]).toEqual([2, 3]);
});

test("auto takes the fastest present and says so", async () => {
  expect(await selectBackend("auto")).toMatchObject({ name: "onnxruntime", reason: "fastest present" });
});

test("auto goes on to the next when one fails, and says why", async () => {
  failure.message = "no such library";

  expect(await selectBackend("auto")).toMatchObject({ name: "cpu", reason: "fastest that works; onnxruntime: no such library" });
  await expect(selectBackend("onnxruntime")).rejects.toThrow("no such library"); // asked for by name, it does not fall back
});

test.each(["webgpu", "tensorflow", "gpu"])("%s is refused by name, with what there is", async (name) => {
  await expect(selectBackend(name)).rejects.toThrow(`ConfigError backend: "${name}" is not available in this version.\n  Available: auto, onnxruntime, cpu.`);
});

import { expect, test } from "vitest";
import { backendHint, BACKENDS, isBackendName, parseBackend } from "../../src/backend/names.ts";

test("every backend is known by its name, an adapter by webgpu: and a part of its own", () => {
  for (const name of BACKENDS) expect(parseBackend(name)).toEqual({ name, adapter: undefined });
  expect(parseBackend("webgpu:NVIDIA H100: 80GB")).toEqual({ name: "webgpu", adapter: "NVIDIA H100: 80GB" });
});

test.each(["", "webgpu:", "gpu", "WebGPU", "cpu:x"])('"%s" is no backend', (text) => {
  expect(parseBackend(text)).toBeUndefined();
  expect(isBackendName(text)).toBe(false);
});

test("a name that is none gets the list and the nearest", () => {
  expect(backendHint("wgpu")).toBe('Known: auto, onnxruntime, tensorflow, webgpu, cpu, webgpu:NAME. Did you mean "webgpu"?');
  expect(backendHint("cuda")).toBe("Known: auto, onnxruntime, tensorflow, webgpu, cpu, webgpu:NAME.");
});

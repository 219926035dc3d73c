import { expect, test } from "vitest";
import { adapterNames, chooseAdapter, listAdapters, parseAdapterNames } from "../../../src/backend/webgpu/adapters.ts";
import { describeOnGpu } from "./software-gpu.ts";

const MESSAGE = `no suitable backends found
Available adapters:
 * backend: 'vulkan', name: 'NVIDIA H100 80GB HBM3'
 * backend: 'vulkan', name: 'Intel's own (Xe)'
 * backend: 'opengl', name: 'NVIDIA H100 80GB HBM3'
 * backend: 'vulkan', name: ''
`;
const ADAPTERS = parseAdapterNames(MESSAGE);

test("Dawn's list is read: quotes within a name, each name once", () => {
  expect(ADAPTERS).toEqual([
    { name: "NVIDIA H100 80GB HBM3", api: "vulkan" },
    { name: "Intel's own (Xe)", api: "vulkan" },
  ]);
  expect(parseAdapterNames("no suitable backends found")).toEqual([]);
});

test("an adapter is chosen by a part of its name in any case and signs, the whole name before a part", () => {
  const similar = [{ name: "Arc A770 Pro", api: "vulkan" }, { name: "Arc A770", api: "vulkan" }];

  expect(chooseAdapter("h100", ADAPTERS).name).toBe("NVIDIA H100 80GB HBM3");
  expect(chooseAdapter("xe", ADAPTERS).name).toBe("Intel's own (Xe)");
  expect(chooseAdapter("arc a770", similar).name).toBe("Arc A770");
  expect(chooseAdapter("swiftshader-device-subzero-", [...similar, { name: "SwiftShader Device (Subzero)", api: "vulkan" }]).name).toBe("SwiftShader Device (Subzero)");
});

test("a name that no adapter has is told with those that there are", () => {
  const hint = "\n  m2se doctor lists the adapters; --backend onnxruntime needs no GPU.";

  expect(() => chooseAdapter("AMD", ADAPTERS)).toThrow(`SystemError backend webgpu:AMD: no adapter's name contains "AMD"; there are "NVIDIA H100 80GB HBM3", "Intel's own (Xe)".${hint}`);
  expect(() => chooseAdapter("AMD", ADAPTERS.slice(1))).toThrow(`there is "Intel's own (Xe)".`);
  expect(() => chooseAdapter("AMD", [])).toThrow(`SystemError backend webgpu:AMD: no GPU driver was found (Vulkan, Metal or Direct3D 12), so there is no adapter of any name.${hint}`);
});

describeOnGpu("the adapters of a software driver", () => {
  test("are listed with their limits and features, and chosen by their names", async () => {
    const found = (await listAdapters()).find(({ software }) => software);

    expect(found).toMatchObject({ name: expect.stringContaining("SwiftShader"), api: "vulkan", vendor: "google" });
    expect(found?.maxBufferSize).toBeGreaterThanOrEqual(1 << 28); // WebGPU's least
    expect(found?.features).toContain("core-features-and-limits");
    expect(chooseAdapter("swiftshader", await adapterNames()).name).toBe(found?.name);
  });
});

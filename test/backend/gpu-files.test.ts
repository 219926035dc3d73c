import { expect, test } from "vitest";
import { gpuFiles, mayHaveGpu, nvidiaDriverFiles } from "../../src/backend/gpu-files.ts";

function linux(files: Readonly<Record<string, readonly string[]>>): Parameters<typeof gpuFiles>[0] {
  return { platform: "linux", list: (folder) => files[folder] ?? [] };
}

test.each([
  { what: "AMD and Intel", files: { "/dev": ["null", "dri"], "/dev/dri": ["card0", "renderD128", "renderD129"] }, found: ["/dev/dri/renderD128", "/dev/dri/renderD129"] },
  { what: "NVIDIA", files: { "/dev": ["nvidia3", "nvidiactl", "nvidia-uvm"] }, found: ["/dev/nvidia3"] },
  { what: "WSL", files: { "/dev": ["dxg"] }, found: ["/dev/dxg"] },
])("a GPU of $what shows in its device files", ({ files, found }) => {
  expect(gpuFiles(linux(files))).toEqual(found);
  expect(mayHaveGpu(linux(files))).toBe(true);
});

test("a Linux machine with a screen but no device to compute on has no GPU", () => {
  const machine = linux({ "/dev": ["null", "nvidiactl", "nvidia-caps"], "/dev/dri": ["card0"] });

  expect(gpuFiles(machine)).toEqual([]);
  expect(mayHaveGpu(machine)).toBe(false);
});

test.each(["darwin", "win32"] as const)("on %s a driver alone knows", (platform) => {
  expect(gpuFiles({ platform, list: () => [] })).toBeUndefined();
  expect(mayHaveGpu({ platform, list: () => [] })).toBe(true);
});

test("NVIDIA's driver is described where the loader looks, or where containers have it", () => {
  const files = { "/usr/local/nvidia/share/vulkan/icd.d": ["nvidia_icd.json"], "/usr/share/vulkan/icd.d": ["lvp_icd.x86_64.json", "nvidia_icd.x86_64.json"] };

  expect(nvidiaDriverFiles(linux(files))).toEqual(["/usr/share/vulkan/icd.d/nvidia_icd.x86_64.json", "/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json"]);
  expect(nvidiaDriverFiles({ platform: "win32", list: () => ["nvidia_icd.json"] })).toEqual([]);
});

test("this machine is looked at without a word", () => {
  expect([true, false]).toContain(mayHaveGpu());
});

import { expect, test } from "vitest";
import { deviceLimits, hostLimits, hostMemory } from "../../src/backend/device-limits.ts";
import { gpuMemory, type MemorySources, THIS_MACHINE } from "../../src/backend/gpu-memory.ts";

const GiB = 2 ** 30;

function machine(changes: { readonly smi?: string; readonly files?: Readonly<Record<string, string>>; readonly cards?: readonly string[]; readonly platform?: NodeJS.Platform } = {}): MemorySources & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    platform: changes.platform ?? "linux",
    run: (program, parameters) => {
      asked.push([program, ...parameters].join(" "));
      return Promise.resolve(changes.smi);
    },
    read: (path) => changes.files?.[path],
    list: () => changes.cards ?? [],
    totalBytes: () => 64 * GiB,
  };
}

test("an NVIDIA card's memory is what nvidia-smi says of the card with the adapter's name", async () => {
  const sources = machine({ smi: "NVIDIA GeForce RTX 4090, 24564\nNVIDIA GeForce RTX 4090 Laptop GPU, 16376\nTesla T4, 15360\n" });

  expect(await gpuMemory("NVIDIA GeForce RTX 4090 Laptop GPU, NVIDIA: 550.54", { vendor: "nvidia" }, sources)).toEqual({ bytes: 16_376 * 2 ** 20, source: "nvidia-smi" });
  expect(await gpuMemory("NVIDIA GeForce RTX 4090, NVIDIA: 550.54", { vendor: "nvidia" }, sources)).toEqual({ bytes: 24_564 * 2 ** 20, source: "nvidia-smi" });
  expect(sources.asked[0]).toBe("nvidia-smi --query-gpu=name,memory.total --format=csv,noheader,nounits");
});

test("where the name fits no card, the largest is assumed, and that is said", async () => {
  const sources = machine({ smi: "Tesla T4, 15360\nNVIDIA A100-SXM4-40GB, 40960\n" });

  expect(await gpuMemory("libtensorflow 2.21.0 (tfjs-node-gpu) on a CUDA GPU", {}, sources)).toEqual({ bytes: 40 * GiB, source: "nvidia-smi, the largest of 2 cards" });
  expect(await gpuMemory("x", {}, machine({ smi: "NVIDIA H200, 143771\n".repeat(8) }))).toEqual({ bytes: 143_771 * 2 ** 20, source: "nvidia-smi" });
});

test("an AMD card's memory is in amdgpu's files, by the product's name where there is one", async () => {
  const files = { "/sys/class/drm/card0/device/mem_info_vram_total": "8573157376\n", "/sys/class/drm/card1/device/mem_info_vram_total": "25753026560\n", "/sys/class/drm/card0/device/product_name": "Radeon Pro W6600\n" };
  const sources = machine({ files, cards: ["card0", "card0-DP-1", "card1", "renderD128"] });

  expect(await gpuMemory("AMD Radeon Pro W6600 (RADV NAVI23)", { vendor: "amd" }, sources)).toEqual({ bytes: 8_573_157_376, source: "amdgpu" });
  expect(await gpuMemory("AMD Radeon RX 7900 XTX", { vendor: "amd" }, sources)).toEqual({ bytes: 25_753_026_560, source: "amdgpu, the largest of 2 cards" });
  expect(sources.asked).toEqual([]);
});

test("Apple's GPU has the system's memory; of Intel's, and without a program that tells, nothing is known", async () => {
  expect(await gpuMemory("Apple M3", { vendor: "apple" }, machine({ platform: "darwin" }))).toEqual({ bytes: 64 * GiB, source: "shared with the system" });
  expect(await gpuMemory("Intel(R) Arc(tm) A770", { vendor: "intel" }, machine({ smi: "Tesla T4, 15360\n" }))).toBeUndefined();
  expect(await gpuMemory("NVIDIA H200", { vendor: "nvidia" }, machine())).toBeUndefined();
  expect(await gpuMemory("NVIDIA H200", { vendor: "nvidia" }, machine({ smi: "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver." }))).toBeUndefined();
});

test("a program that is not installed tells nothing, and one that hangs is given up", { timeout: 10_000 }, async () => {
  expect(await THIS_MACHINE.run("m2se-no-such-program", [])).toBeUndefined();
  const started = performance.now();
  expect(await THIS_MACHINE.run(process.execPath, ["-e", "setTimeout(() => {}, 9000)"])).toBeUndefined();
  expect(performance.now() - started).toBeLessThan(5000);
  expect(await THIS_MACHINE.run(process.execPath, ["-e", "console.log(7)"])).toBe("7\n");
});

test("a process may use the machine's memory, or less in a container of either version", () => {
  const limit = (files: Readonly<Record<string, string>>): unknown => hostMemory(machine({ files }));

  expect(limit({})).toEqual({ bytes: 64 * GiB, source: "the system's memory" });
  expect(limit({ "/sys/fs/cgroup/memory.max": "max\n" })).toEqual({ bytes: 64 * GiB, source: "the system's memory" });
  expect(limit({ "/sys/fs/cgroup/memory.max": "8589934592\n" })).toEqual({ bytes: 8 * GiB, source: "the container's limit" });
  expect(limit({ "/sys/fs/cgroup/memory/memory.limit_in_bytes": "4294967296\n" })).toEqual({ bytes: 4 * GiB, source: "the container's limit" });
  expect(limit({ "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n" })).toEqual({ bytes: 64 * GiB, source: "the system's memory" });
});

test("limits of a backend: a CPU, and a GPU made of software, have the machine's memory; a GPU has what its start found", () => {
  const sources = machine();

  expect(deviceLimits({ name: "onnxruntime", device: "2 CPU threads" }, sources)).toEqual({ of: "onnxruntime (2 CPU threads)", memory: { bytes: 64 * GiB, source: "the system's memory" } });
  expect(deviceLimits({ name: "webgpu", device: "SwiftShader", gpu: { vendor: "google", isSoftware: true, largestTensor: GiB } }, sources)).toEqual({ of: "webgpu (SwiftShader)", memory: { bytes: 64 * GiB, source: "the system's memory" }, largestTensor: GiB });
  const memory = { bytes: 143_771 * 2 ** 20, source: "nvidia-smi" };
  expect(deviceLimits({ name: "webgpu", device: "NVIDIA H200", gpu: { vendor: "nvidia", largestTensor: 2 ** 31 - 4, memory } }, sources)).toEqual({ of: "webgpu (NVIDIA H200)", memory, largestTensor: 2 ** 31 - 4 });
  expect(deviceLimits({ name: "webgpu", device: "Adreno", gpu: { vendor: "qualcomm" } }, sources)).toEqual({ of: "webgpu (Adreno)" });
  expect(hostLimits(sources).of).toBe("this machine");
});

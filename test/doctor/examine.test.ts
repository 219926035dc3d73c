import { expect, test } from "vitest";
import type { ActiveBackend } from "../../src/backend/select.ts";
import type { AdapterFacts } from "../../src/backend/webgpu/adapters.ts";
import { examineWithin, type Surroundings } from "../../src/doctor/examine.ts";
import type { DoctorReport } from "../../src/doctor/report.ts";
import type { ProbeAnswer, SelfTest } from "../../src/doctor/self-test.ts";

const PASSED: SelfTest = { device: "2 CPU threads", matmul: { size: 256, gigaflops: 50, error: 1e-7 }, step: { milliseconds: 12, loss: 1e-7, gradient: 4e-6, worst: "w" } };
const AUTO: ActiveBackend = { name: "onnxruntime", device: "2 CPU threads", reason: "fastest without a GPU" };

function adapter(changes: Partial<AdapterFacts>): AdapterFacts {
  return {
    name: "Fast GPU", api: "vulkan", software: false, vendor: "v", architecture: "a", driver: "1.2", maxBufferSize: 4e9, maxStorageBufferBindingSize: 2e9,
    maxComputeWorkgroupStorageSize: 32768, maxComputeInvocationsPerWorkgroup: 1024, features: ["shader-f16"], ...changes,
  };
}

interface Fakes extends Partial<Omit<Surroundings, "probe">> {
  readonly answers?: Readonly<Record<string, ProbeAnswer>>;
}

/** A machine on which all is well but for what is given; `asked` are the probes in order. */
async function examined({ answers = {}, ...around }: Fakes = {}, backend?: string): Promise<{ report: DoctorReport; asked: string[]; progress: string[] }> {
  const asked: string[] = [];
  const progress: string[] = [];
  const surroundings: Surroundings = {
    system: { platform: "linux", has: (program) => program === "apt-get" },
    node: () => Promise.resolve({ version: "20.20.2", needed: "20.11", ok: true }),
    program: (name) => Promise.resolve({ name, found: { path: `/usr/bin/${name}`, version: "5.1", source: "PATH" } }),
    disk: (folder) => Promise.resolve({ folder, writable: true, freeBytes: 50e9 }),
    gpuFiles: () => [],
    driverFiles: () => [],
    tensorflow: () => [],
    probe: (name) => {
      asked.push(name);
      const usual: Record<string, unknown> = { adapters: [], auto: AUTO };
      return Promise.resolve(answers[name] ?? { ok: true, value: usual[name] ?? PASSED });
    },
    ...around,
  };
  for await (const event of examineWithin(surroundings, { folder: "/runs", ...(backend === undefined ? {} : { backend }) })) {
    if (event.type === "report") return { report: event.report, asked, progress };
    progress.push(event.what);
  }
  throw new Error("no report");
}

test("on a machine with a CPU alone training is possible, and what is not there is no problem", async () => {
  const { report, asked, progress } = await examined();

  expect(report).toEqual({
    canTrain: true,
    node: { version: "20.20.2", needed: "20.11", ok: true },
    programs: [
      { name: "ffmpeg", found: { path: "/usr/bin/ffmpeg", version: "5.1", source: "PATH" } },
      { name: "ffprobe", found: { path: "/usr/bin/ffprobe", version: "5.1", source: "PATH" } },
    ],
    disk: { folder: "/runs", writable: true, freeBytes: 50e9 },
    gpuFiles: [],
    adapters: [],
    backends: [
      { name: "webgpu", state: "absent", why: "this machine has no GPU" },
      { name: "tensorflow", state: "absent", why: "neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed (optional)" },
      { name: "onnxruntime", state: "works", test: PASSED },
      { name: "cpu", state: "works", test: PASSED },
    ],
    auto: AUTO,
    problems: [],
  });
  expect(asked).toEqual(["adapters", "auto", "onnxruntime", "cpu"]);
  expect(progress).toEqual(["looking at Node, ffmpeg, disk and GPUs", "testing onnxruntime", "testing cpu"]);
});

test("a GPU is tested as webgpu, several each by its name, software ones not at all", async () => {
  const one = await examined({ gpuFiles: () => ["/dev/dri/renderD128"], answers: { adapters: { ok: true, value: [adapter({}), adapter({ name: "llvmpipe", software: true })] } } });
  const two = await examined({ answers: { adapters: { ok: true, value: [adapter({}), adapter({ name: "Slow GPU" })] } }, tensorflow: () => ["@tensorflow/tfjs-node"] });

  expect(one.report.backends.map(({ name }) => name)).toEqual(["webgpu", "tensorflow", "onnxruntime", "cpu"]);
  expect(one.report.adapters.length).toBe(2);
  expect(two.asked.slice(2)).toEqual(["webgpu:Fast GPU", "webgpu:Slow GPU", "tensorflow", "onnxruntime", "cpu"]);
  expect([one.report.problems, two.report.problems]).toEqual([[], []]);
});

test("a software adapter is pointed out, and tested when it is named", async () => {
  const answers = { adapters: { ok: true, value: [adapter({ name: "SwiftShader", software: true })] } } as const;

  const { report } = await examined({ answers });
  const named = await examined({ answers }, "webgpu:SwiftShader");

  expect(report.backends[0]).toEqual({ name: "webgpu", state: "absent", why: "this machine has no GPU; SwiftShader computes on the CPU, slowly, and is used when it is named: webgpu:SwiftShader" });
  expect(report.canTrain).toBe(true);
  expect(named.report.backends).toEqual([{ name: "webgpu:SwiftShader", state: "works", test: PASSED }]);
});

test.each([
  { files: ["/dev/dri/renderD128"], what: "a GPU is there (/dev/dri/renderD128), but no Vulkan driver for it", fix: "sudo apt-get install libvulkan1 mesa-vulkan-drivers" },
  {
    files: ["/dev/nvidia0"],
    what: "a GPU is there (/dev/nvidia0), but no Vulkan driver for it; a container needs NVIDIA_DRIVER_CAPABILITIES=all",
    fix: "sudo apt-get install libvulkan1 libnvidia-gl-$(cut -d. -f1 /sys/module/nvidia/version)",
  },
])("a GPU without a driver is a warning: $what", async ({ files, what, fix }) => {
  const { report } = await examined({ gpuFiles: () => files });

  expect(report.problems).toEqual([{ where: "webgpu", what, fix, blocking: false }]);
  expect(report.backends[0]).toEqual({ name: "webgpu", state: "absent", why: "no driver offers a GPU" });
  expect(report.canTrain).toBe(true);
});

test("a driver that is there and does not start needs libglvnd, and is to be named where no loader looks", async () => {
  const [usual, container] = ["/usr/share/vulkan/icd.d/nvidia_icd.json", "/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json"] as const;
  const install = "sudo apt-get install libvulkan1 libegl1 libgl1 libglx0 libopengl0 libx11-6 libxext6";

  for (const [driver, fix] of [[usual, install], [container, `export VK_DRIVER_FILES=${container}; ${install}`]] as const) {
    const { report } = await examined({ gpuFiles: () => ["/dev/nvidia0"], driverFiles: () => [driver] });

    expect(report.problems).toEqual([{ where: "webgpu", what: `a GPU is there (/dev/nvidia0), and so is its Vulkan driver (${driver}), but that does not start; it needs the libraries of libglvnd`, fix, blocking: false }]);
  }
});

test("a GPU without the package is a warning that installs it; without a GPU nobody misses it", async () => {
  const answers = { adapters: { ok: false, what: "the package webgpu is not installed" } } as const;

  expect((await examined({ answers, gpuFiles: () => ["/dev/nvidia0"] })).report.problems).toEqual([
    { where: "webgpu", what: "a GPU is there (/dev/nvidia0), but the package webgpu is not installed", fix: "npm ci --include=optional", blocking: false },
  ]);
  expect((await examined({ answers })).report).toMatchObject({ canTrain: true, problems: [], backends: [{ name: "webgpu", state: "absent", why: "the package webgpu is not installed" }, {}, {}, {}] });
});

test.each([
  { change: { node: () => Promise.resolve({ version: "18.0.0", needed: "20.11", ok: false }) }, problem: { where: "node", what: "version 18.0.0 is too old, 20.11 or newer is needed", fix: "sudo npx --yes n 22", blocking: true } },
  { change: { program: (name: "ffmpeg" | "ffprobe") => Promise.resolve({ name, ...(name === "ffmpeg" ? { why: "no working ffmpeg found" } : { found: { path: "p", version: "v", source: "npm" } }) }) }, problem: { where: "ffmpeg", what: "no working ffmpeg found", fix: "sudo apt-get install ffmpeg", blocking: true } },
  { change: { disk: (folder: string) => Promise.resolve({ folder, writable: true, freeBytes: 2.5e9 }) }, problem: { where: "disk", what: "2500 MB are free in /runs, enough for small models only", fix: "du -xsh /runs/* | sort -h", blocking: false } },
  { change: { disk: (folder: string) => Promise.resolve({ folder, writable: true, freeBytes: 9e7 }) }, problem: { where: "disk", what: "90 MB are free in /runs, too few for any run", fix: "du -xsh /runs/* | sort -h", blocking: true } },
  { change: { disk: (folder: string) => Promise.resolve({ folder, writable: false, freeBytes: 9e10 }) }, problem: { where: "disk", what: "/runs cannot be written to, and runs are kept there", fix: 'sudo chown -R "$(id -u)" /runs', blocking: true } },
  { change: { answers: { onnxruntime: { ok: false, what: "it crashed (SIGILL)" }, auto: { ok: true, value: { ...AUTO, name: "cpu" } } } as const }, problem: { where: "onnxruntime", what: "it crashed (SIGILL)", fix: "npm ci --include=optional", blocking: false } },
  { change: { answers: { auto: { ok: false, what: "it crashed (SIGSEGV)" } } as const }, problem: { where: "auto", what: "it crashed (SIGSEGV)", fix: "npm ci --include=optional", blocking: false } },
])("$problem.what: the command that helps", async ({ change, problem }) => {
  const { report } = await examined(change);

  expect(report.problems).toEqual([problem]);
  expect(report.canTrain).toBe(!problem.blocking);
});

test("tensorflow that does not load is to be linked", async () => {
  const { report } = await examined({ tensorflow: () => ["@tensorflow/tfjs-node"], answers: { tensorflow: { ok: false, what: "it does not load" } } });

  expect(report.problems).toEqual([
    { where: "tensorflow", what: "it does not load", fix: `scripts/link-tensorflow.sh "$(python3 -c 'import importlib.util as u; print(u.find_spec("tensorflow").submodule_search_locations[0])')"`, blocking: false },
  ]);
});

test("a GPU with wrong numbers is told with all that is wrong, and that auto would take it", async () => {
  const wrong: SelfTest = { device: "Fast GPU", matmul: { size: 4096, gigaflops: 9000, error: 0.5 }, step: { milliseconds: 3, loss: 0.02, gradient: null, worst: "lm_head.weight" } };
  const why = "the loss of a training step differs from the reference's by 2e-2 (relative); the gradient of lm_head.weight is not a number; a matrix product of 4096 x 4096 differs from the right one by 5e-1 (relative)";
  const fix = "npx m2se train --config FILE --stage all --backend onnxruntime";

  const { report } = await examined({ answers: { adapters: { ok: true, value: [adapter({})] }, webgpu: { ok: true, value: wrong }, auto: { ok: true, value: { ...AUTO, name: "webgpu" } } } });

  expect(report.backends[0]).toEqual({ name: "webgpu", state: "wrong", why, test: wrong });
  expect(report.problems).toEqual([
    { where: "webgpu", what: why, fix, blocking: false },
    { where: "auto", what: "--backend auto takes webgpu, which does not work", fix, blocking: false },
  ]);
  expect(report.canTrain).toBe(true);
});

test("without any backend that works training is impossible; what prevents it comes first", async () => {
  const failed = { ok: false, what: "it crashed (SIGILL)" } as const;

  const { report } = await examined({ answers: { onnxruntime: failed, cpu: failed, auto: failed }, disk: (folder) => Promise.resolve({ folder, writable: true, freeBytes: 2e9 }) });

  expect(report.canTrain).toBe(false);
  expect(report.problems.map(({ where, blocking }) => [where, blocking])).toEqual([["onnxruntime", true], ["cpu", true], ["disk", false], ["auto", false]]);
});

test("a backend that is named alone decides", async () => {
  const { report, asked } = await examined({ answers: { tensorflow: { ok: false, what: "not installed" } } }, "tensorflow");

  expect(asked).toEqual(["adapters", "auto", "tensorflow"]);
  expect(report).toMatchObject({ canTrain: false, backends: [{ name: "tensorflow", state: "fails", why: "not installed" }] });
});

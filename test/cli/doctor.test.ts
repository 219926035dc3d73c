import { spawn } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { DoctorReport } from "../../src/app/index.ts";
import { runDoctor } from "../../src/cli/commands/doctor.ts";
import { FailedResult } from "../../src/cli/failure.ts";
import { renderDoctor } from "../../src/cli/render/doctor.ts";
import { temporaryFolder } from "../temporary-folder.ts";
import { fakeContext, stream } from "./fake-context.ts";

const REPORT: DoctorReport = {
  canTrain: true,
  node: { version: "20.20.2", needed: "20.11", ok: true },
  programs: [
    { name: "ffmpeg", found: { path: "/usr/bin/ffmpeg", version: "5.1.6", source: "PATH" } },
    { name: "ffprobe", found: { path: "/m2se/ffprobe", version: "N-66595", source: "npm" } },
  ],
  disk: { folder: "/work", writable: true, freeBytes: 73.4e9 },
  gpuFiles: ["/dev/nvidia0"],
  adapters: [
    {
      name: "NVIDIA H100", api: "vulkan", software: false, vendor: "nvidia", architecture: "hopper", driver: "570.1", maxBufferSize: 1e12, maxStorageBufferBindingSize: 4294967292,
      maxComputeWorkgroupStorageSize: 49152, maxComputeInvocationsPerWorkgroup: 1024, features: ["shader-f16", "subgroups", "chromium-experimental-subgroup-matrix", "clip-distances"],
    },
    {
      name: "llvmpipe", api: "vulkan", software: true, vendor: "mesa", architecture: "", driver: "Mesa 22", maxBufferSize: 1073741824, maxStorageBufferBindingSize: 134217728,
      maxComputeWorkgroupStorageSize: 32768, maxComputeInvocationsPerWorkgroup: 256, features: [],
    },
  ],
  backends: [
    { name: "webgpu", state: "wrong", why: "its loss is wrong", test: { device: "NVIDIA H100", matmul: { size: 4096, gigaflops: 33_456, error: 1e-6 }, step: { milliseconds: 4.2, loss: 0.0213, gradient: null, worst: "w" } } },
    { name: "tensorflow", state: "absent", why: "not installed (optional)" },
    { name: "onnxruntime", state: "works", test: { device: "2 CPU threads", matmul: { size: 1024, gigaflops: 278.4, error: 1e-7 }, step: { milliseconds: 1234, loss: 1.04e-7, gradient: 4e-6, worst: "w" } } },
    { name: "cpu", state: "works", test: { device: "2 CPU threads", matmul: { size: 128, gigaflops: 0.444, error: 0 }, step: { milliseconds: 0.3, loss: 0, gradient: 0, worst: "" } } },
  ],
  auto: { name: "webgpu", device: "NVIDIA H100", reason: "fastest" },
  problems: [{ where: "webgpu", what: "its loss is wrong", fix: "npx m2se train --config FILE --stage all --backend onnxruntime", blocking: false }],
};

test("the report tells machine, adapters, backends, problems with their commands, and the verdict", () => {
  expect(renderDoctor(REPORT)).toBe(`    machine  found
--  -------  ------------  ---------------------------
ok  node     20.20.2       20.11 or newer is needed
ok  ffmpeg   5.1.6         /usr/bin/ffmpeg (system)
ok  ffprobe  N-66595       /m2se/ffprobe (npm package)
ok  disk     73.4 GB free  /work

    GPU adapter          driver            largest buffer  features that m2se uses
--  -------------------  ----------------  --------------  ---------------------------------------
ok  NVIDIA H100          570.1 (vulkan)            4.3 GB  half precision, subgroups, matrix units
--  llvmpipe (software)  Mesa 22 (vulkan)          0.1 GB

    backend      matrix product  training step  loss off by  gradients  device, or why not
--  -----------  --------------  -------------  -----------  ---------  ------------------------
NO  webgpu         33.5 TFLOP/s           4 ms         2e-2  no number  NVIDIA H100
--  tensorflow                                                          not installed (optional)
ok  onnxruntime     278 GFLOP/s          1.2 s         1e-7       4e-6  2 CPU threads
ok  cpu             0.4 GFLOP/s           1 ms            0          0  2 CPU threads

warning: webgpu: its loss is wrong
  npx m2se train --config FILE --stage all --backend onnxruntime

Training is possible; --backend auto takes webgpu: fastest.`);
});

test("a machine that cannot train is told so last, what is missing is marked", () => {
  const text = renderDoctor({
    ...REPORT,
    canTrain: false,
    node: { version: "18.0.0", needed: "20.11", ok: false },
    programs: [{ name: "ffmpeg" }, { name: "ffprobe", found: { path: "/x/ffprobe", version: "6", source: "M2SE_FFPROBE" } }],
    disk: { folder: "/work", writable: false, freeBytes: 0 },
    gpuFiles: [],
    adapters: [],
    problems: [{ where: "ffmpeg", what: "no working ffmpeg found", fix: "sudo apt-get install ffmpeg", blocking: true }],
  });

  expect(text.split("\n").slice(2, 6).map((line) => line.replaceAll(/ {2,}/g, "  "))).toEqual([
    "NO  node  18.0.0  20.11 or newer is needed",
    "NO  ffmpeg  not found",
    "ok  ffprobe  6  /x/ffprobe (named by M2SE_FFPROBE)",
    "NO  disk  0.0 GB free  /work (not writable)",
  ]);
  expect(text).toContain("\nGPU adapters: none, this machine has no GPU\n");
  expect(text).toContain("\nproblem: ffmpeg: no working ffmpeg found\n  sudo apt-get install ffmpeg\n\n");
  expect(text).toMatch(/\nTraining is not possible on this machine until the problems above are fixed\.$/);
});

test("without device files of GPUs only the drivers are spoken of", () => {
  const { gpuFiles: _, auto: __, ...rest } = REPORT;

  expect(renderDoctor({ ...rest, adapters: [] })).toContain("\nGPU adapters: none\n");
  expect(renderDoctor(rest)).toMatch(/\nTraining is possible\.$/);
});

test("the command says what it does, prints the report, and is one document for programs", async () => {
  const { context, human, progress, json, calls } = fakeContext("/work", { examine: () => stream({ type: "progress", what: "testing cpu" }, { type: "report", report: REPORT }) });

  await runDoctor({ backend: "webgpu" }, context);

  expect(calls).toEqual([["examine", { folder: "/work", backend: "webgpu", signal: context.signal, command: [process.execPath, expect.stringMatching(/src\/cli\/bin\.mjs$/), "doctor", "--json", "--probe"] }]]);
  expect(progress).toEqual(["testing cpu"]);
  expect(human).toEqual([renderDoctor(REPORT)]);
  expect(json).toEqual([{ kind: "doctor", ...REPORT }]);
});

test("a machine that cannot train fails the command, when all is said", async () => {
  const { context, human, json } = fakeContext("/work", { examine: () => stream({ type: "report", report: { ...REPORT, canTrain: false } }) });

  await expect(runDoctor({}, context)).rejects.toThrow(FailedResult);
  expect([human.length, json.length]).toEqual([1, 1]);
});

test("a child process of doctor prints its answer alone", async () => {
  const { context, human, json, calls } = fakeContext("/work", { answerProbe: () => Promise.resolve({ ok: false, what: "no driver" }) });

  await runDoctor({ probe: "webgpu" }, context);

  expect(calls).toEqual([["answerProbe", "webgpu"]]);
  expect([human, json]).toEqual([[], [{ kind: "probe", ok: false, what: "no driver" }]]);
});

test("through the real program: one document, with the backend that is named tested in a process of its own", { timeout: 60_000 }, async () => {
  const { code, out } = await m2se(["doctor", "--json", "--backend", "cpu"], await temporaryFolder());

  const lines = out.trim().split("\n");
  expect([code, lines.length]).toEqual([0, 1]);
  expect(JSON.parse(lines[0]!)).toMatchObject({ kind: "doctor", canTrain: true, backends: [{ name: "cpu", state: "works", test: { step: { loss: 0, gradient: 0 } } }] });
});

function m2se(args: readonly string[], cwd: string): Promise<{ code: number | null; out: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(import.meta.dirname, "../../src/cli/bin.mjs"), ...args], { cwd, stdio: ["ignore", "pipe", "ignore"] });
    let out = "";
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out }));
  });
}

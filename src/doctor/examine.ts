/** @file m2se doctor: looks at the machine, lets child processes try every backend, and says what is wrong with which cure. */
import type { ActiveBackend } from "../backend/select.ts";
import { gpuFiles as gpuFilesHere, nvidiaDriverFiles } from "../backend/gpu-files.ts";
import { tensorflowPackages } from "../backend/tensorflow.ts";
import type { AdapterFacts } from "../backend/webgpu/adapters.ts";
import { THIS_SYSTEM, type System } from "./fixes.ts";
import { examineDisk, examineNode, type ExaminedProgram, examineProgram } from "./machine.ts";
import { findProblems } from "./problems.ts";
import type { BackendReport, DiskReport, DoctorReport, NodeReport } from "./report.ts";
import { runProbe } from "./run-probe.ts";
import type { ProbeAnswer, SelfTest } from "./self-test.ts";
import { judge } from "./verdict.ts";

export interface DoctorOptions {
  /** The folder where runs would be kept. */
  readonly folder: string;
  /** Program and arguments of a child process; the probe's name is appended. */
  readonly command: readonly string[];
  /** Only this backend, as --backend takes it: the one way to test a software adapter. */
  readonly backend?: string;
  readonly signal: AbortSignal;
}

export type DoctorEvent = { readonly type: "progress"; readonly what: string } | { readonly type: "report"; readonly report: DoctorReport };

/** What is looked at; tests put others in its place. */
export interface Surroundings {
  readonly system: System;
  readonly node: () => Promise<NodeReport>;
  readonly program: (name: "ffmpeg" | "ffprobe") => Promise<ExaminedProgram>;
  readonly disk: (folder: string) => Promise<DiskReport>;
  readonly gpuFiles: () => readonly string[] | undefined;
  /** Descriptions of NVIDIA's driver. */
  readonly driverFiles: () => readonly string[];
  /** Packages of the tensorflow backend that are installed. */
  readonly tensorflow: () => readonly string[];
  readonly probe: (name: string) => Promise<ProbeAnswer>;
}

/** A driver compiles its kernels within this, on a slow machine too. */
const PROBE_TIMEOUT_MS = 120_000;

/** Examines this machine; the last event is the report. */
export function examine({ folder, backend, ...child }: DoctorOptions): AsyncGenerator<DoctorEvent> {
  return examineWithin(
    {
      system: THIS_SYSTEM,
      node: () => examineNode(process.versions.node),
      program: (name) => examineProgram(name, process.env),
      disk: examineDisk,
      gpuFiles: gpuFilesHere,
      driverFiles: nvidiaDriverFiles,
      tensorflow: tensorflowPackages,
      probe: (name) => runProbe(name, { ...child, timeoutMs: PROBE_TIMEOUT_MS }),
    },
    { folder, ...(backend === undefined ? {} : { backend }) },
  );
}

/** As `examine`, with the machine as an argument. */
export async function* examineWithin(around: Surroundings, { folder, backend }: Pick<DoctorOptions, "folder" | "backend">): AsyncGenerator<DoctorEvent> {
  yield { type: "progress", what: "looking at Node, ffmpeg, disk and GPUs" };
  const [node, ffmpeg, ffprobe, disk, listed, chosen] = await Promise.all([
    around.node(),
    around.program("ffmpeg"),
    around.program("ffprobe"),
    around.disk(folder),
    around.probe("adapters"),
    around.probe("auto"),
  ]);
  const gpuFiles = around.gpuFiles();
  // What a child of ours prints is what these types say.
  const adapters = listed.ok ? (listed.value as readonly AdapterFacts[]) : [];
  const auto = chosen.ok ? (chosen.value as ActiveBackend) : undefined;
  const plan = backend === undefined ? planTests({ adapters, gpuFiles, adaptersFailed: listed.ok ? undefined : listed.what, tensorflow: around.tensorflow() }) : [{ name: backend }];
  const backends: BackendReport[] = [];
  for (const { name, absent } of plan) {
    if (absent === undefined) yield { type: "progress", what: `testing ${name}` };
    backends.push(absent === undefined ? reportOf(name, await around.probe(name)) : { name, state: "absent", why: absent });
  }
  const found = { node, disk, adapters, backends, programs: [ffmpeg, ffprobe] };
  const problems = findProblems({ ...found, gpuFiles, driverFiles: around.driverFiles(), auto, autoFailed: chosen.ok ? undefined : chosen.what, adaptersFailed: listed.ok ? undefined : listed.what }, around.system);
  const canTrain = problems.every(({ blocking }) => !blocking);
  const programs = found.programs.map(({ name, found: program }) => ({ name, ...(program === undefined ? {} : { found: program }) }));
  yield { type: "report", report: { canTrain, ...found, programs, ...(gpuFiles === undefined ? {} : { gpuFiles }), ...(auto === undefined ? {} : { auto }), problems } };
}

interface PlannedTest {
  readonly name: string;
  /** Why there is nothing to test. */
  readonly absent?: string;
}

interface Plannable {
  readonly adapters: readonly AdapterFacts[];
  readonly adaptersFailed: string | undefined;
  readonly gpuFiles: readonly string[] | undefined;
  readonly tensorflow: readonly string[];
}

/** Every backend that could be there; each GPU by its name where there are several. */
function planTests({ adapters, adaptersFailed, gpuFiles, tensorflow }: Plannable): PlannedTest[] {
  const gpus = adapters.filter(({ software }) => !software);
  const [software] = adapters;
  const noGpu = (): string => {
    if (adaptersFailed !== undefined) return adaptersFailed;
    const named = software === undefined ? "" : `; ${software.name} computes on the CPU, slowly, and is used when it is named: webgpu:${software.name}`;
    return `${gpuFiles?.length === 0 ? "this machine has no GPU" : "no driver offers a GPU"}${named}`;
  };
  return [
    ...(gpus.length === 0 ? [{ name: "webgpu", absent: noGpu() }] : gpus.map(({ name }) => ({ name: gpus.length === 1 ? "webgpu" : `webgpu:${name}` }))),
    tensorflow.length === 0 ? { name: "tensorflow", absent: "neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed (optional)" } : { name: "tensorflow" },
    { name: "onnxruntime" },
    { name: "cpu" },
  ];
}

function reportOf(name: string, answer: ProbeAnswer): BackendReport {
  if (!answer.ok) return { name, state: "fails", why: answer.what };
  const test = answer.value as SelfTest;
  const why = judge(test);
  return { name, state: why === undefined ? "works" : "wrong", ...(why === undefined ? {} : { why }), test };
}

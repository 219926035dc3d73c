/** @file What is wrong with this machine, each with the command that fixes it. */
import type { ActiveBackend } from "../backend/select.ts";
import { anotherBackend, ffmpegFix, freeSpace, glvndFix, gpuDriverFix, INSTALL_AGAIN, LINK_TENSORFLOW, makeWritable, nodeFix, type System } from "./fixes.ts";
import type { ExaminedProgram } from "./machine.ts";
import type { BackendReport, DoctorProblem, DoctorReport } from "./report.ts";

export interface Findings extends Pick<DoctorReport, "node" | "disk" | "adapters" | "backends"> {
  readonly programs: readonly ExaminedProgram[];
  readonly gpuFiles: readonly string[] | undefined;
  /** Descriptions of NVIDIA's driver. */
  readonly driverFiles: readonly string[];
  readonly auto: ActiveBackend | undefined;
  readonly autoFailed: string | undefined;
  readonly adaptersFailed: string | undefined;
}

const MEGABYTE = 1e6;
/** A tiny run with its checkpoints fits. */
const LEAST_MEGABYTES = 100;
/** Real checkpoints and decoded clips do not. */
const ENOUGH_MEGABYTES = 5000;

/** Worst first: what makes training impossible comes before the rest. */
export function findProblems(findings: Findings, system: System): DoctorProblem[] {
  const all = [nodeProblem, programProblems, diskProblem, gpuProblem, backendProblems, autoProblem].flatMap((find) => find(findings, system));
  return [...all.filter(({ blocking }) => blocking), ...all.filter(({ blocking }) => !blocking)];
}

type Find = (findings: Findings, system: System) => readonly DoctorProblem[];

const nodeProblem: Find = ({ node }, system) =>
  node.ok ? [] : [{ where: "node", what: `version ${node.version} is too old, ${node.needed} or newer is needed`, fix: nodeFix(system), blocking: true }];

const programProblems: Find = ({ programs }, system) =>
  programs.flatMap(({ name, found, why = "none was found" }) => (found === undefined ? [{ where: name, what: why, fix: ffmpegFix(system), blocking: true }] : []));

const diskProblem: Find = ({ disk: { folder, freeBytes, writable } }) => {
  if (!writable) return [{ where: "disk", what: `${folder} cannot be written to, and runs are kept there`, fix: makeWritable(folder), blocking: true }];
  const megabytes = freeBytes / MEGABYTE;
  if (megabytes >= ENOUGH_MEGABYTES) return [];
  const isFull = megabytes < LEAST_MEGABYTES;
  return [{ where: "disk", what: `${Math.floor(megabytes)} MB are free in ${folder}, ${isFull ? "too few for any run" : "enough for small models only"}`, fix: freeSpace(folder), blocking: isFull }];
};

/** A GPU is there, but nothing offers it. */
const gpuProblem: Find = ({ gpuFiles = [], driverFiles, adapters, adaptersFailed }, system) => {
  if (gpuFiles.length === 0 || adapters.some(({ software }) => !software)) return [];
  if (adaptersFailed !== undefined) return [{ where: "webgpu", what: `a GPU is there (${gpuFiles.join(", ")}), but ${adaptersFailed}`, fix: INSTALL_AGAIN, blocking: false }];
  const isNvidia = gpuFiles.some((file) => file.startsWith("/dev/nvidia"));
  const [driver] = driverFiles;
  if (isNvidia && driver !== undefined) {
    return [{ where: "webgpu", what: `a GPU is there (${gpuFiles.join(", ")}), and so is its Vulkan driver (${driver}), but that does not start; it needs the libraries of libglvnd`, fix: glvndFix(system, driver), blocking: false }];
  }
  const container = isNvidia ? "; a container needs NVIDIA_DRIVER_CAPABILITIES=all" : "";
  return [{ where: "webgpu", what: `a GPU is there (${gpuFiles.join(", ")}), but no Vulkan driver for it${container}`, fix: gpuDriverFix(system, gpuFiles), blocking: false }];
};

/** Any that works is enough for training. */
const backendProblems: Find = ({ backends }) => {
  const other = backends.find(({ state }) => state === "works")?.name;
  return backends.flatMap(({ name, state, why = "" }) => {
    if (state !== "fails" && state !== "wrong") return [];
    return [{ where: name, what: why, fix: backendFix({ name, state }, other), blocking: other === undefined }];
  });
};

function backendFix({ name, state }: Pick<BackendReport, "name" | "state">, other: string | undefined): string {
  if (state === "fails" && name === "tensorflow") return LINK_TENSORFLOW;
  if (name === "onnxruntime" || other === undefined) return INSTALL_AGAIN;
  return anotherBackend(other);
}

/** auto does not test what it takes: it would train on a backend that fails here. */
const autoProblem: Find = ({ auto, autoFailed, backends }) => {
  if (autoFailed !== undefined) return [{ where: "auto", what: autoFailed, fix: INSTALL_AGAIN, blocking: false }];
  const taken = backends.find(({ name }) => name.split(":", 1)[0] === auto?.name);
  const other = backends.find(({ state }) => state === "works")?.name;
  if (taken === undefined || taken.state === "works" || taken.state === "absent" || other === undefined) return [];
  return [{ where: "auto", what: `--backend auto takes ${taken.name}, which does not work`, fix: anotherBackend(other), blocking: false }];
};

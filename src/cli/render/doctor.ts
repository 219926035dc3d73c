/** @file A doctor's report as text: what there is, what the backends do, what to do about the rest. */
import type { BackendReport, DoctorReport } from "../app.ts";
import { renderDuration } from "./numbers.ts";
import { renderTable, type Column } from "./table.ts";

/** Machine, GPUs, backends, problems with their commands, and whether training is possible. */
export function renderDoctor(report: DoctorReport): string {
  return [renderMachine(report), renderAdapters(report), renderBackends(report), renderProblems(report), renderVerdict(report)].filter((block) => block !== "").join("\n\n");
}

function renderMachine({ node, programs, disk }: DoctorReport): string {
  const rows = [
    [mark(node.ok), "node", node.version, `${node.needed} or newer is needed`],
    ...programs.map(({ name, found }) => [mark(found !== undefined), name, found?.version ?? "not found", found === undefined ? "" : `${found.path} (${sourceOf(found.source)})`]),
    [mark(disk.writable), "disk", `${gigabytes(disk.freeBytes)} free`, `${disk.folder}${disk.writable ? "" : " (not writable)"}`],
  ];
  return renderTable([{ title: "" }, { title: "machine" }, { title: "found" }, { title: "" }], rows);
}

function sourceOf(source: string): string {
  if (source === "PATH") return "system";
  return source === "npm" ? "npm package" : `named by ${source}`;
}

const ADAPTER_COLUMNS: readonly Column[] = [{ title: "" }, { title: "GPU adapter" }, { title: "driver" }, { title: "largest buffer", align: "right" }, { title: "features that m2se uses" }];

/** Names of features for people; others exist, and --json has them all. */
const FEATURES: Readonly<Record<string, string>> = {
  "shader-f16": "half precision",
  subgroups: "subgroups",
  "chromium-experimental-subgroup-matrix": "matrix units",
  "timestamp-query": "timers",
};

function renderAdapters({ adapters, gpuFiles }: DoctorReport): string {
  if (adapters.length === 0) return gpuFiles?.length === 0 ? "GPU adapters: none, this machine has no GPU" : "GPU adapters: none";
  const rows = adapters.map(({ name, api, driver, software, maxBufferSize, maxStorageBufferBindingSize, features }) => [
    software ? "--" : "ok",
    software ? `${name} (software)` : name,
    `${driver} (${api})`,
    gigabytes(Math.min(maxBufferSize, maxStorageBufferBindingSize)),
    Object.entries(FEATURES).flatMap(([feature, word]) => (features.includes(feature) ? [word] : [])).join(", "),
  ]);
  return renderTable(ADAPTER_COLUMNS, rows);
}

const BACKEND_COLUMNS: readonly Column[] = [{ title: "" }, { title: "backend" }, { title: "matrix product", align: "right" }, { title: "training step", align: "right" }, { title: "loss off by", align: "right" }, { title: "gradients", align: "right" }, { title: "device, or why not" }];

function renderBackends({ backends }: DoctorReport): string {
  return renderTable(BACKEND_COLUMNS, backends.map(renderBackend));
}

function renderBackend({ name, state, why = "", test }: BackendReport): string[] {
  const sign = { works: "ok", wrong: "NO", fails: "NO", absent: "--" }[state];
  if (test === undefined) return [sign, name, "", "", "", "", why];
  const { device, matmul, step } = test;
  return [sign, name, rate(matmul.gigaflops), renderMilliseconds(step.milliseconds), difference(step.loss), difference(step.gradient), device];
}

function renderProblems({ problems }: DoctorReport): string {
  return problems.map(({ where, what, fix, blocking }) => `${blocking ? "problem" : "warning"}: ${where}: ${what}\n  ${fix}`).join("\n");
}

function renderVerdict({ canTrain, auto }: DoctorReport): string {
  const taken = auto === undefined ? "" : `; --backend auto takes ${auto.name}: ${auto.reason}`;
  return canTrain ? `Training is possible${taken}.` : "Training is not possible on this machine until the problems above are fixed.";
}

function mark(isGood: boolean): string {
  return isGood ? "ok" : "NO";
}

function rate(gigaflops: number): string {
  return gigaflops >= 1000 ? `${(gigaflops / 1000).toFixed(1)} TFLOP/s` : `${gigaflops >= 10 ? Math.round(gigaflops) : gigaflops.toFixed(1)} GFLOP/s`;
}

function renderMilliseconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.max(1, Math.round(milliseconds))} ms` : renderDuration(milliseconds);
}

function difference(value: number | null): string {
  if (value === null) return "no number";
  return value === 0 ? "0" : value.toExponential(0);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

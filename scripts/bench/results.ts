/** @file Results of a benchmark, and what follows from the raw times. */
import type { BenchCase } from "./bench-case.ts";
import type { CaseName } from "./case-names.ts";
import { median } from "./measure.ts";
import type { MeasuredRun, PeerRun } from "./runs.ts";

/** The object that --json prints. */
export interface BenchResult {
  /** As asked for, and what it runs on. */
  readonly backend: string;
  readonly device: string;
  /** Of our backend's bare product. */
  readonly gemmPeakGflops: number;
  /** Title; null without one. */
  readonly peer: string | null;
  /** Of PyTorch's bare product on the same GPU; null elsewhere. Shares are of the larger peak. */
  readonly peerGemmPeakGflops: number | null;
  readonly cases: readonly CaseResult[];
}

/** Null where there is no measurement. */
export interface CaseResult {
  readonly name: CaseName;
  readonly tokens: number;
  readonly ms: number | null;
  readonly gflops: number | null;
  readonly shareOfPeak: number | null;
  readonly peakMemoryMb: number | null;
  /** Of the GPU; `peakMemoryMb` is the process's. */
  readonly gpuMemoryMb: number | null;
  readonly peerMs: number | null;
  /** peerMs / ms: above 1 we are faster. */
  readonly ratio: number | null;
}

export interface CaseRuns {
  readonly ours: readonly MeasuredRun[];
  readonly peer: readonly PeerRun[];
}

/** Medians over all repetitions of all runs. */
export function caseResult(name: CaseName, { tokens, flops }: Pick<BenchCase, "tokens" | "flops">, { ours, peer }: CaseRuns, peakGflops: number): CaseResult {
  const ms = medianTime(ours);
  const peerMs = medianTime(peer);
  const gflops = ms === null ? null : flops / ms / 1e6;
  return {
    name,
    tokens,
    ms: roundedOrNull(ms),
    gflops: roundedOrNull(gflops),
    shareOfPeak: gflops === null ? null : rounded(gflops / peakGflops),
    peakMemoryMb: largest(ours.map(({ peakMemoryMb }) => peakMemoryMb)),
    gpuMemoryMb: largest(ours.flatMap(({ gpuMemoryMb }) => gpuMemoryMb ?? [])),
    peerMs: roundedOrNull(peerMs),
    ratio: ms === null || peerMs === null ? null : rounded(peerMs / ms),
  };
}

function largest(megabytes: readonly number[]): number | null {
  return megabytes.length === 0 ? null : Math.round(Math.max(...megabytes));
}

function medianTime(runs: readonly Pick<MeasuredRun, "times">[]): number | null {
  return runs.length === 0 ? null : median(runs.flatMap(({ times }) => times));
}

function roundedOrNull(value: number | null): number | null {
  return value === null ? null : rounded(value);
}

/** Four significant digits are more than timing gives. */
export function rounded(value: number): number {
  return Number(value.toPrecision(4));
}

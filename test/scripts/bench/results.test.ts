import { expect, test } from "vitest";
import { renderResult } from "../../../scripts/bench/render.ts";
import { type BenchResult, type CaseResult, caseResult } from "../../../scripts/bench/results.ts";
import type { MeasuredRun, PeerRun } from "../../../scripts/bench/runs.ts";

const CASE = { tokens: 512, flops: 800e9 };

function ran(times: number[], peakMemoryMb = 1, gpuMemoryMb: number | null = null): MeasuredRun {
  return { times, peakMemoryMb, gpuMemoryMb };
}

function peerRan(times: number[]): PeerRun {
  return { times, peakMemoryMb: 1, mode: "torch.compile" };
}

test("rates follow from the median of all repetitions of all runs, memory is the largest", () => {
  const ours = [ran([4000, 5000], 2800.4), ran([9000], 2900.6)];
  const peer = [peerRan([6000]), peerRan([4000])];

  expect(caseResult("train-512", CASE, { ours, peer }, 200)).toEqual({ name: "train-512", tokens: 512, ms: 5000, gflops: 160, shareOfPeak: 0.8, peakMemoryMb: 2901, gpuMemoryMb: null, peerMs: 5000, ratio: 1 });
});

test("the ratio is above 1 when the peer takes longer", () => {
  const runs = { ours: [ran([1000])], peer: [peerRan([1500])] };

  expect(caseResult("decode", CASE, runs, 200).ratio).toBe(1.5);
});

test("without a peer its fields are null, and a case that could not run has nothing but its name and tokens", () => {
  const ours = [ran([1000])];
  const nothing = { name: "decode", tokens: 512, ms: null, gflops: null, shareOfPeak: null, peakMemoryMb: null, gpuMemoryMb: null };

  expect(caseResult("decode", CASE, { ours, peer: [] }, 200)).toMatchObject({ ms: 1000, peerMs: null, ratio: null });
  expect(caseResult("decode", CASE, { ours: [], peer: [] }, 200)).toEqual({ ...nothing, peerMs: null, ratio: null });
  expect(caseResult("decode", CASE, { ours: [], peer: [peerRan([1000])] }, 200)).toEqual({ ...nothing, peerMs: 1000, ratio: null });
});

test("memory on the GPU is the most of all runs", () => {
  expect(caseResult("decode", CASE, { ours: [ran([1], 1, 900.2), ran([1], 1, 1200.7)], peer: [] }, 200).gpuMemoryMb).toBe(1201);
});

const MEASURED: CaseResult = { name: "train-128", tokens: 128, ms: 1280, gflops: 160.96, shareOfPeak: 0.644, peakMemoryMb: 2817, gpuMemoryMb: null, peerMs: 1536, ratio: 1.2 };
const MISSING: CaseResult = { name: "decode", tokens: 256, ms: null, gflops: null, shareOfPeak: null, peakMemoryMb: null, gpuMemoryMb: null, peerMs: null, ratio: null };
const ON_CPU: Omit<BenchResult, "cases"> = { backend: "onnxruntime", device: "2 CPU threads", gemmPeakGflops: 250.2, peer: "PyTorch 2.13.0 (MKL)", peerGemmPeakGflops: null };

test("the table says what was measured, how to read the ratio, and shows a dash for what was not measured", () => {
  expect(renderResult({ ...ON_CPU, cases: [MEASURED, MISSING] })).toBe(
    [
      "2 CPU threads (onnxruntime) beside PyTorch 2.13.0 (MKL)",
      "Matrix product peak: 250 GFLOP/s. Ratio: peer ms / ms, above 1 m2se is faster.",
      "",
      "case       tokens      ms  tokens/s  GFLOP/s  of peak  peak MB  peer ms  ratio",
      "---------  ------  ------  --------  -------  -------  -------  -------  -----",
      "train-128     128  1280.0       100    161.0      64%     2817   1536.0   1.20",
      "decode        256       -         -        -        -        -        -      -",
    ].join("\n"),
  );
});

test("on a GPU the table has its memory, and its peak stands beside PyTorch's", () => {
  const onGpu = { backend: "webgpu", device: "NVIDIA H100", gemmPeakGflops: 20_010, peer: "PyTorch 2.13.0 on NVIDIA H100, float32 without TF32", peerGemmPeakGflops: 48_000 };

  expect(renderResult({ ...onGpu, cases: [{ ...MEASURED, gpuMemoryMb: 5120 }, MISSING] })).toBe(
    [
      "NVIDIA H100 (webgpu) beside PyTorch 2.13.0 on NVIDIA H100, float32 without TF32",
      "Matrix product peak: 20010 GFLOP/s, PyTorch's on the same card 48000; shares are of the larger. Ratio: peer ms / ms, above 1 m2se is faster.",
      "",
      "case       tokens      ms  tokens/s  GFLOP/s  of peak  peak MB  GPU MB  peer ms  ratio",
      "---------  ------  ------  --------  -------  -------  -------  ------  -------  -----",
      "train-128     128  1280.0       100    161.0      64%     2817    5120   1536.0   1.20",
      "decode        256       -         -        -        -        -       -        -      -",
    ].join("\n"),
  );
});

test("a peak of a driver in software is more than 0", () => {
  expect(renderResult({ ...ON_CPU, gemmPeakGflops: 0.2345, cases: [] })).toContain("Matrix product peak: 0.23 GFLOP/s");
});

test("without a peer and without cases there is the device and its peak", () => {
  expect(renderResult({ ...ON_CPU, peer: null, cases: [] })).toBe("2 CPU threads (onnxruntime)\nMatrix product peak: 250 GFLOP/s. Ratio: peer ms / ms, above 1 m2se is faster.");
});

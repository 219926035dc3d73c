import { expect, test } from "vitest";
import { renderResult } from "../../../scripts/bench/render.ts";
import { caseResult } from "../../../scripts/bench/results.ts";

const CASE = { tokens: 512, flops: 800e9 };

test("rates follow from the median of all repetitions of all runs, memory is the largest", () => {
  const ours = [{ times: [4000, 5000], peakMemoryMb: 2800.4 }, { times: [9000], peakMemoryMb: 2900.6 }];
  const peer = [{ times: [6000], peakMemoryMb: 1 }, { times: [4000], peakMemoryMb: 1 }];

  expect(caseResult("train-512", CASE, { ours, peer }, 200)).toEqual({ name: "train-512", tokens: 512, ms: 5000, gflops: 160, shareOfPeak: 0.8, peakMemoryMb: 2901, peerMs: 5000, ratio: 1 });
});

test("the ratio is above 1 when the peer takes longer", () => {
  const runs = { ours: [{ times: [1000], peakMemoryMb: 1 }], peer: [{ times: [1500], peakMemoryMb: 1 }] };

  expect(caseResult("decode", CASE, runs, 200).ratio).toBe(1.5);
});

test("without a peer its fields are null, and a case that could not run has nothing but its name and tokens", () => {
  const ours = [{ times: [1000], peakMemoryMb: 10 }];
  const nothing = { name: "decode", tokens: 512, ms: null, gflops: null, shareOfPeak: null, peakMemoryMb: null };

  expect(caseResult("decode", CASE, { ours, peer: [] }, 200)).toMatchObject({ ms: 1000, peerMs: null, ratio: null });
  expect(caseResult("decode", CASE, { ours: [], peer: [] }, 200)).toEqual({ ...nothing, peerMs: null, ratio: null });
  expect(caseResult("decode", CASE, { ours: [], peer: ours }, 200)).toEqual({ ...nothing, peerMs: 1000, ratio: null });
});

test("the table says how to read the ratio and shows a dash for what was not measured", () => {
  const measured = { name: "train-128", tokens: 128, ms: 1280, gflops: 160.96, shareOfPeak: 0.644, peakMemoryMb: 2817, peerMs: 1536, ratio: 1.2 } as const;
  const missing = { name: "decode", tokens: 256, ms: null, gflops: null, shareOfPeak: null, peakMemoryMb: null, peerMs: null, ratio: null } as const;

  expect(renderResult({ gemmPeakGflops: 250.2, cases: [measured, missing] })).toBe(
    [
      "Matrix product peak: 250 GFLOP/s. Ratio: peer ms / ms, above 1 m2se is faster.",
      "",
      "case       tokens      ms  tokens/s  GFLOP/s  of peak  peak MB  peer ms  ratio",
      "---------  ------  ------  --------  -------  -------  -------  -------  -----",
      "train-128     128  1280.0       100    161.0      64%     2817   1536.0   1.20",
      "decode        256       -         -        -        -        -        -      -",
    ].join("\n"),
  );
});

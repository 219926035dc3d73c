/** @file The table for people. */
import { type Column, renderTable } from "../../src/cli/render/table.ts";
import type { BenchResult, CaseResult } from "./results.ts";

const COLUMNS: readonly Column[] = [
  { title: "case" },
  { title: "tokens", align: "right" },
  { title: "ms", align: "right" },
  { title: "tokens/s", align: "right" },
  { title: "GFLOP/s", align: "right" },
  { title: "of peak", align: "right" },
  { title: "peak MB", align: "right" },
  { title: "peer ms", align: "right" },
  { title: "ratio", align: "right" },
];

/** Peak, table, and how to read the ratio. */
export function renderResult({ gemmPeakGflops, cases }: BenchResult): string {
  return [
    `Matrix product peak: ${gemmPeakGflops.toFixed(0)} GFLOP/s. Ratio: peer ms / ms, above 1 m2se is faster.`,
    "",
    renderTable(COLUMNS, cases.map(rowOf)),
  ].join("\n");
}

function rowOf({ name, tokens, ms, gflops, shareOfPeak, peakMemoryMb, peerMs, ratio }: CaseResult): string[] {
  return [
    name,
    String(tokens),
    number(ms, 1),
    number(ms === null ? null : (tokens / ms) * 1000, 0),
    number(gflops, 1),
    shareOfPeak === null ? "-" : `${(100 * shareOfPeak).toFixed(0)}%`,
    number(peakMemoryMb, 0),
    number(peerMs, 1),
    number(ratio, 2),
  ];
}

function number(value: number | null, digits: number): string {
  return value === null ? "-" : value.toFixed(digits);
}

/** @file The table for people. */
import { type Column, renderTable } from "../../src/cli/render/table.ts";
import type { BenchResult, CaseResult } from "./results.ts";

interface CaseColumn extends Column {
  readonly cell: (result: CaseResult) => string;
}

const COLUMNS: readonly CaseColumn[] = [
  { title: "case", cell: ({ name }) => name },
  right("tokens", ({ tokens }) => String(tokens)),
  right("ms", ({ ms }) => number(ms, 1)),
  right("tokens/s", ({ ms, tokens }) => number(ms === null ? null : (tokens / ms) * 1000, 0)),
  right("GFLOP/s", ({ gflops }) => number(gflops, 1)),
  right("of peak", ({ shareOfPeak }) => (shareOfPeak === null ? "-" : `${(100 * shareOfPeak).toFixed(0)}%`)),
  right("peak MB", ({ peakMemoryMb }) => number(peakMemoryMb, 0)),
];

const GPU_MEMORY = right("GPU MB", ({ gpuMemoryMb }) => number(gpuMemoryMb, 0));

const PEER_COLUMNS: readonly CaseColumn[] = [right("peer ms", ({ peerMs }) => number(peerMs, 1)), right("ratio", ({ ratio }) => number(ratio, 2))];

/** Device, peak, how to read the ratio, and the table. */
export function renderResult({ backend, device, gemmPeakGflops, peer, peerGemmPeakGflops, cases }: BenchResult): string {
  const columns = [...COLUMNS, ...(cases.some(({ gpuMemoryMb }) => gpuMemoryMb !== null) ? [GPU_MEMORY] : []), ...PEER_COLUMNS];
  const peerPeak = peerGemmPeakGflops === null ? "" : `, PyTorch's on the same card ${rate(peerGemmPeakGflops)}; shares are of the larger`;
  return [
    `${device} (${backend})${peer === null ? "" : ` beside ${peer}`}`,
    `Matrix product peak: ${rate(gemmPeakGflops)} GFLOP/s${peerPeak}. Ratio: peer ms / ms, above 1 m2se is faster.`,
    ...(cases.length === 0 ? [] : ["", renderTable(columns, cases.map((result) => columns.map(({ cell }) => cell(result))))]),
  ].join("\n");
}

function right(title: string, cell: CaseColumn["cell"]): CaseColumn {
  return { title, align: "right", cell };
}

/** A driver in software does less than one. */
function rate(gflops: number): string {
  return gflops < 10 ? gflops.toPrecision(2) : gflops.toFixed(0);
}

function number(value: number | null, digits: number): string {
  return value === null ? "-" : value.toFixed(digits);
}

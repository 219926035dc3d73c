/** @file What the processes of the benchmark are told, and what they print when they are done: one JSON line. */
import { z } from "zod";

/** By which child.ts is told its backend. */
export const BACKEND_VARIABLE = "M2SE_BENCH_BACKEND";
export const PRECISION_VARIABLE = "M2SE_BENCH_PRECISION";
export const FROZEN_BASE_VARIABLE = "M2SE_BENCH_FROZEN_BASE";

/** The backend that users without a GPU get. */
export const DEFAULT_BACKEND = "onnxruntime";

/** Argument of child.ts for the peak, and on the command line for nothing but the peak. */
export const GEMM = "gemm";

export const gemmRunSchema = z.strictObject({
  gflops: z.number().positive(),
  /** What the backend runs on. */
  device: z.string(),
  isOnGpu: z.boolean(),
});
export type GemmRun = z.infer<typeof gemmRunSchema>;

const runSchema = z.strictObject({ times: z.array(z.number().positive()).min(1), peakMemoryMb: z.number().positive() });

export const measuredRunSchema = runSchema.extend({
  /** The most that was allocated on the GPU; null where the backend does not tell. */
  gpuMemoryMb: z.number().nullable(),
});
export type MeasuredRun = z.infer<typeof measuredRunSchema>;

/** Of peer/run.py: also how it ran, e.g. "torch.compile". */
export const peerRunSchema = runSchema.extend({ mode: z.string() });
export type PeerRun = z.infer<typeof peerRunSchema>;

/** Of peer/probe.py. */
export const peerProbeSchema = z.strictObject({
  version: z.string(),
  hasMkl: z.boolean(),
  /** OpenBLAS's name for the processor that it believes to run on; null without OpenBLAS. */
  openblasCore: z.string().nullable(),
  /** Name of the CUDA device; null without one. */
  gpu: z.string().nullable(),
});
export type PeerProbe = z.infer<typeof peerProbeSchema>;

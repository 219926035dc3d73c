/** @file What the processes of the benchmark print when they are done: one JSON line. */
import { z } from "zod";

/** Argument of child.ts for the peak. */
export const GEMM = "gemm";

export const gemmRunSchema = z.strictObject({ gflops: z.number().positive() });
export type GemmRun = z.infer<typeof gemmRunSchema>;

export const measuredRunSchema = z.strictObject({ times: z.array(z.number().positive()).min(1), peakMemoryMb: z.number().positive() });
export type MeasuredRun = z.infer<typeof measuredRunSchema>;

/** Of peer/run.py: also how it ran, e.g. "torch.compile". */
export const peerRunSchema = measuredRunSchema.extend({ mode: z.string() });
export type PeerRun = z.infer<typeof peerRunSchema>;

/** Of peer/probe.py. */
export const peerProbeSchema = z.strictObject({
  version: z.string(),
  hasMkl: z.boolean(),
  /** OpenBLAS's name for the processor that it believes to run on; null without OpenBLAS. */
  openblasCore: z.string().nullable(),
});
export type PeerProbe = z.infer<typeof peerProbeSchema>;
